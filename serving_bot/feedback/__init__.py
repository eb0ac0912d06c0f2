"""What people say of the answers: collected by the bot, reviewed by the operator, trained on by `digits run`."""
