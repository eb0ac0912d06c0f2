"""What one example is: feature keys, shapes and class names. Imports nothing."""

IMAGE_KEY = "image"  # PNG bytes of one 28×28 8-bit greyscale image, white ink on black
LABEL_KEY = "label"  # int64 class in 0..9, or OUTLIER
RAW_SIZE = 28  # side of a raw image in pixels, as MNIST has it
INPUT_SIZE = 32  # side of the networks' input in pixels: the raw image padded by 2 on each side (LeCun et al., 1998)
NUM_CLASSES = 10
OUTLIER = -1  # label of an image that is not a digit; only users' examples for training have it

USERS_TRAIN, USERS = "users_train", "users"  # splits of users' contributions, for training and evaluation

CLASS_NAMES = tuple(str(digit) for digit in range(NUM_CLASSES))
