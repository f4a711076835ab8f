"""What makes text plain, and how its lines are laid out, for those who read many lines at once and one by itself.

form: (separator, second, returns, roles): the letters between fields, second −1 where it is one; whether lines end in a
carriage return and a newline; [fields of a line] what each is, + TEXT for ids that are not all plain numbers.
columns: users, items, ratings, timestamps, at place `row` of which goes what is read: ids as numbers, or as codes of
`text_ids`. tables: the text ids of users and of items.
"""

import numpy as np

SKIP, USER, ITEM, RATING, TIMESTAMP = range(5)
TEXT = 8

NO_USER_NUMBER, NO_ITEM_NUMBER, NOT_PLAIN = 1, 2, 4  # what keeps a line from being read, as bits

ID_DIGITS = 8  # of a number that is an id; one of more digits is text
EXACT = 15  # digits whose whole number and power of ten are exact in float64, so that their quotient is the nearest

ZERO, POINT, MINUS, QUOTE, RETURN, NEWLINE = (np.uint8(ord(sign)) for sign in '0.-"\r\n')
