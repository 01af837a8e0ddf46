"""Images in, pictures of what a network says of them out. Arrays are uint8 RGB (H, W, 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..devices.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageDraw

    from ..runtime.format.tasks import Task

    Array = np.ndarray[Any, np.dtype[Any]]

Color = tuple[int, int, int]

# Far to near, dark to light, so that it reads in grey as well.
_DEPTH = ((18, 12, 54), (52, 42, 122), (36, 98, 151), (35, 146, 148), (88, 187, 121), (176, 215, 90), (252, 236, 120))
_PANEL, _TALLEST = 320, 640
_COLUMNS = 3
_CAPTION = 18
_SWATCH = 8


class Picture(NamedTuple):
    """Pixels, a caption, and for classes a key: the colour and the words of each that is said."""

    pixels: Array
    caption: str = ""
    key: tuple[tuple[Color, str], ...] = ()


def read_image(path: Path) -> Array:
    """Read a picture (whatever Pillow reads, turned as its EXIF says) or a `.npy` array; InputError otherwise."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.exists():
        raise InputError(f"{path}: there is no such image")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not an image: name its files, as in {path}/*.jpg")
    if path.suffix == ".npy":
        return _read_array(path)
    try:
        with Image.open(path) as image:
            return _rgb(path, ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise InputError(f"{path} is not an image that Pillow can read") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as an image: {error}") from error


def _rgb(path: Path, image: Image.Image) -> Array:
    from ..runtime.images import rgb_of

    try:
        return rgb_of(image)
    except InputError as error:
        raise InputError(f"{path} {error}") from None


def _read_array(path: Path) -> Array:
    import numpy as np

    try:
        # Mapped, so that a header which promises more than the file holds is refused, not allocated.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError) as error:
        raise InputError(f"{path} is not a numpy array file: {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        what = f"{array.dtype} of shape {array.shape}" if isinstance(array, np.ndarray) else "an archive"
        raise InputError(f"{path} is {what}: an image is uint8 of shape (height, width, 3)")
    if not array.size:
        raise InputError(f"{path} is an image without pixels, of shape {array.shape}")
    return np.array(array)


def resized(image: Array, height: int, width: int, *, smooth: bool = True) -> Array:
    """A uint8 (H,W[,3]) or float32 (H,W) array at another size: for classes `smooth` must be off."""
    import numpy as np
    from PIL import Image

    if image.shape[:2] == (height, width):
        return image
    how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(image).resize((width, height), how))


def painted(task: Task, output: Array, image: Array, reference: Array | None = None) -> Picture:
    """The picture, at the image's size, of a decoded output (H,W[,3]).

    Depth takes its colours from the range of `reference` where there is one, so that pictures can be compared.
    """
    import numpy as np

    height, width = image.shape[:2]
    if task.kind == "segmentation":
        colors = task.colors or _spread(len(task.classes))
        ids = resized(output, height, width, smooth=False)
        grey = image.mean(axis=2, keepdims=True)
        pixels = (0.68 * np.asarray(colors, np.uint8)[ids] + 0.32 * grey).astype(np.uint8)
        return Picture(pixels, key=_present(task, colors, ids))
    if task.kind == "normals":
        return Picture(resized(((output + 1.0) * 127.5).clip(0, 255).astype(np.uint8), height, width))
    values = resized(output.astype(np.float32), height, width)
    if task.kind == "depth":
        return _depth(values, values if reference is None else reference)
    shade = ((1.0 - values.clip(0.0, 1.0)) * 255.0).astype(np.uint8)
    return Picture(np.repeat(shade[..., None], 3, axis=2), "dark is an edge")


def _depth(metres: Array, reference: Array) -> Picture:
    import numpy as np

    low, high = (
        (float(np.percentile(reference[reference > 0], q)) for q in (1, 99)) if (reference > 0).any() else (0.0, 1.0)
    )
    near = 1.0 - ((metres - low) / max(high - low, 1e-6)).clip(0.0, 1.0)
    stops = np.linspace(0.0, 1.0, len(_DEPTH))
    channels = [np.interp(near, stops, channel) for channel in np.asarray(_DEPTH, float).T]
    picture = np.where((metres > 0)[..., None], np.stack(channels, axis=2), 128.0).astype(np.uint8)
    return Picture(picture, f"{low:.1f} to {high:.1f} m, light is near")


def _present(task: Task, colors: Sequence[Color], ids: Array) -> tuple[tuple[Color, str], ...]:
    import numpy as np

    found, counts = np.unique(ids, return_counts=True)
    known = [(int(i), int(n)) for i, n in zip(found, counts, strict=True) if i < len(task.classes)]
    most = sorted(known, key=lambda pair: -pair[1])
    return tuple((colors[i], f"{task.classes[i]} {count / ids.size:.0%}") for i, count in most)


def _spread(count: int) -> list[Color]:
    import colorsys

    hues = [colorsys.hsv_to_rgb((i * 0.618) % 1.0, 0.65, 0.95) for i in range(max(count, 1))]
    return [(int(r * 255), int(g * 255), int(b * 255)) for r, g, b in hues]


def save(picture: Array, path: Path) -> None:
    """Write a PNG."""
    from PIL import Image

    Image.fromarray(picture).save(path)


def fitted(caption: str, width: float, length: Callable[[str], float]) -> str:
    """The caption, or as much of it as `width` pixels hold, ended by dots; `length` measures text."""
    if length(caption) <= width:
        return caption
    kept = next((end for end in range(len(caption), 0, -1) if length(caption[:end].rstrip() + "...") <= width), 0)
    return caption[:kept].rstrip() + "..."


def contact_sheet(panels: Sequence[tuple[str, Picture]], path: Path, columns: int = _COLUMNS) -> None:
    """Write named pictures side by side as one PNG, each under its name, caption and key."""
    from PIL import Image, ImageDraw

    columns = min(columns, len(panels))
    sizes = [_fitted(picture.pixels) for _, picture in panels]
    tall = max(height for height, _ in sizes) + _CAPTION
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (columns * (_PANEL + 4) - 4, rows * (tall + 4) - 4), "white")
    draw = ImageDraw.Draw(sheet)
    for index, (name, picture) in enumerate(panels):
        left, top = index % columns * (_PANEL + 4), index // columns * (tall + 4)
        height, width = sizes[index]
        pixels = Image.fromarray(picture.pixels).resize((width, height), Image.Resampling.BILINEAR)
        sheet.paste(pixels, (left, top + _CAPTION))
        _caption(draw, left, top, name, picture)
    sheet.save(path)


def _caption(draw: ImageDraw.ImageDraw, left: int, top: int, name: str, picture: Picture) -> None:
    """Name and caption; then the key, each entry behind a square of its colour, as many as there is room for."""
    says = f"{name}: {picture.caption}" if picture.caption else name
    said = fitted(says, _PANEL - 4, draw.textlength)
    draw.text((left + 2, top + 3), said, fill="black")
    at = left + 2 + draw.textlength(said) + 10
    for color, words in picture.key:
        wide = _SWATCH + 3 + draw.textlength(words)
        if at + wide > left + _PANEL:
            return
        draw.rectangle((at, top + 5, at + _SWATCH, top + 5 + _SWATCH), fill=color)
        draw.text((at + _SWATCH + 3, top + 3), words, fill="black")
        at += wide + 8


def _fitted(array: Array) -> tuple[int, int]:
    """(height, width) of a picture on a sheet: as wide as a panel, or less where it would be much taller than wide."""
    height, width = array.shape[:2]
    scale = min(_PANEL / width, _TALLEST / height)
    return max(round(height * scale), 1), max(round(width * scale), 1)
