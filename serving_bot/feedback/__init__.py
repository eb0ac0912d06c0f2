"""Users' feedback on answers: the bot collects it, the operator reviews it, `digits run` trains on it."""
