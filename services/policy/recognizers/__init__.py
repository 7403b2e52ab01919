"""One file a family of personal data. Each takes a text (with plain blanks and dashes) and the same in lower case, place for place.

Every one looks for something cheap first (see ``lowered``: a word, a shape, a long number) and is about linear in the text's
length, whatever it holds: repetitions are bounded, and no two that can match the same stand side by side.
"""
