"""Reads what a firmware has written on a screen, without knowing its font: equal letters have equal pictures."""

# Of edk2's console: the size of a letter, and the texts that it centres on a screen, columns and rows
# (MdeModulePkg/Universal/Console/GraphicsConsoleDxe); the last is as many as there is room for.
CELL = 8, 19
SIZES = (80, 25), (80, 50), (100, 31), None


def pattern(things):
    """The same for two sequences whose things are equal at the same places."""
    first = {}
    return [first.setdefault(thing, at) for at, thing in enumerate(things)]


class Text:
    """Rows of pictures of letters, as numbers, on a screen of three bytes a pixel that is filled from `left`, `top`."""

    def __init__(self, width, height, pixels, left, top, columns, rows, cell):
        known = {}
        stride, letter = 3 * width, 3 * cell[0]
        self.rows = []
        for row in range(rows):
            lines = [pixels[(top + row * cell[1] + y) * stride + 3 * left:][:columns * letter] for y in range(cell[1])]
            self.rows.append([known.setdefault(b"".join(line[at:at + letter] for line in lines), len(known))
                              for at in range(0, columns * letter, letter)])

    def row_of(self, text):
        """The row that has this text in one colour, or None. It should have letters that come again."""
        wanted = pattern(text)
        for number, row in enumerate(self.rows):
            if len(set(row)) < len(set(text)):
                continue
            for at in range(len(row) - len(text) + 1):
                if pattern(row[at:at + len(text)]) == wanted:
                    return number
        return None


def texts(width, height, pixels, cell=CELL):
    """As the screen is read for each size of text that firmware may have chosen."""
    for size in SIZES:
        columns, rows = size or (width // cell[0], height // cell[1])
        if columns * cell[0] <= width and rows * cell[1] <= height:
            yield Text(width, height, pixels, (width - columns * cell[0]) // 2, (height - rows * cell[1]) // 2, columns, rows, cell)


def reads(screen, text, cell=CELL):
    """Whether that is written on a screen: width, height, three bytes a pixel."""
    return any(one.row_of(text) is not None for one in texts(*screen, cell))
