# The bot in English. The same keys as in every other file of this folder: tests/unit/serving_bot/test_texts.py.

start = Hello, { $name }! I read handwritten digits from pictures. Send me a photo, or choose from the menu.
greeting = Nice to see you, { $name }!
abilities =
    I find handwritten digits in a picture and read them: one digit or several, pen, pencil, marker or chalk, dark on light or light on dark.
    Send a photo, a picture as a file, or an album. The button under my answer shows what the network saw.
    When I am not sure, I say so. I keep no pictures.
recognise = Send me a picture with a digit, or with several.
help =
    Send me a photo of handwritten digits and I answer what they are.
    /start – the menu
    /model – which model is answering
    /help – this text
menu = What would you like to do?

menu-greet = 👋 Say hello
menu-abilities = ❓ What can you do?
menu-recognise = 🔢 Recognise digits
menu-back = ⬅️ Back to the menu

command-start = the menu
command-help = what I can do
command-model = which model is answering

# $digit is the class as a string, $probability a number from 0 to 1.
this-is = This is { $digit ->
        [8] an
       *[other] a
    } { $digit } ({ NUMBER($probability, style: "percent", maximumFractionDigits: 1) } sure).
digits-found = I see { $count } digits: { $digits } (the least sure of them { NUMBER($probability, style: "percent", maximumFractionDigits: 1) }).
digits-doubtful = I see { $digits }. I am not sure of those with a question mark.
not-sure = I am not sure there is a digit here. My best guess: { $guesses }.
not-sure-of-any = I see { $count } marks, but none that I would call a digit.
guess = { $digit } ({ NUMBER($probability, style: "percent", maximumFractionDigits: 1) })
nothing-found = I found no digit in this picture. A sheet with a digit written large and dark works best.
show-button = 👁 What the network saw
shown = What { $name } (version { $version }) saw:
shown-other-version = What { $name } (version { $version }) saw. The answer above came from version { $answered }, which is no longer in service:
shown-row = { $place }. { $guesses }
picture-gone = I keep no pictures, and the message with this one is gone. Please send it again.

unreadable = I could not open this file as a picture. I read JPEG, PNG, WebP, GIF, BMP and, where it is installed, HEIC.
too-many-pixels = This picture is too large for me. Please send a smaller one, or send it as a photo: Telegram shrinks those.
too-big = This file is larger than 20 MB, which Telegram does not let me fetch. Please send it as a photo: Telegram shrinks those.
not-a-picture = I only read pictures. Please send a photo, or an image file.
too-many-pictures = That is a lot of pictures at once! Please wait a minute and send the rest again.
no-model = No model has been published yet, so I cannot read pictures. As soon as there is one I will begin: please try again later.
not-allowed = Sorry, this is a private bot. If it should answer you, give its owner the number of this chat: { $chat }.
failed = Sorry, something went wrong on my side. Please try again.

text-word = I do better with pictures than with words. Send me a photo of a digit, or see /help.
sticker-word = Nice sticker! Now send me a photo of a handwritten digit.
video-word = I cannot watch moving pictures yet. Send me a photo of a digit.
voice-word = I have no ears, only eyes. Send me a photo of a digit.
other-word = I do not know what to do with this. Send me a photo of a digit, or see /help.

model =
    { $name }, version { $version }
    Right on { $accuracy } of the test pictures
    Trained: { $trained }
    Pushed: { $pushed }
    Run: { $run }
percentage = { NUMBER($share, style: "percent", maximumFractionDigits: 2) }
time = { DATETIME($time, dateStyle: "medium", timeStyle: "short") } UTC
unknown = unknown

admin-broken = Version { $version } could not be served: { $reason }. { $current ->
        [none] No model is in service.
       *[other] Version { $current } goes on.
    }
