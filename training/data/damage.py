"""What the libraries that read files raise where a file is damaged: few of them have an error of their own for it."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib

from PIL import Image

# Of numpy and zipfile come most: a changed byte makes another compression, a header that is no Python, a shape that no
# machine has room for.
DAMAGE: tuple[type[Exception], ...] = (
    OSError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
