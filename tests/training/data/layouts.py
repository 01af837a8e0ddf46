"""Small folders laid out as data sets come: every file is of the real type, every value is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.io import savemat

Array = npt.NDArray[Any]
SIZE = (20, 30)


def picture(path: Path, values: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"quality": 98, "subsampling": 0} if path.suffix == ".jpg" else {}
    Image.fromarray(values).save(path, **options)
    return path


def flat(value: int, size: tuple[int, int] = SIZE) -> Array:
    """A grey picture."""
    return np.full((*size, 3), value % 256, np.uint8)


def array(path: Path, values: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)
    return path


def matlab(path: Path, **values: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # As Matlab itself writes them.
    savemat(path, values, do_compression=True)
    return path


def listed(path: Path, names: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def halves(left: Any, right: Any, kind: Any = np.uint8, size: tuple[int, int] = SIZE) -> Array:
    """(H,W) or (H,W,3): one value in the left half, another in the right."""
    left, right = np.asarray(left, kind), np.asarray(right, kind)
    values = np.empty((*size, *left.shape), kind)
    values[:, : size[1] // 2], values[:, size[1] // 2 :] = left, right
    return values


def nyud(root: Path, train: int = 10, test: int = 3, matlab_files: bool = False) -> Path:
    """`NYUD_MT` below `root`: depth is 2 and 4 m, classes are 1 (wall) and none, an edge parts them."""
    folder = root / "NYUD_MT"
    names = [f"{number:06d}" for number in range(train + test)]
    listed(folder / "gt_sets" / "train.txt", names[:train])
    listed(folder / "gt_sets" / "val.txt", names[train:])
    edges = np.zeros(SIZE, np.uint8)
    edges[:, SIZE[1] // 2] = 255
    for number, name in enumerate(names):
        picture(folder / "images" / f"{name}.jpg", flat(10 * number))
        normals = halves((255, 128, 128), (128, 128, 128))
        if matlab_files:
            matlab(folder / "segmentation" / f"{name}.mat", segmentation=halves(1, 0))
            matlab(folder / "depth" / f"{name}.mat", depth=halves(2.0, 4.0, np.float32))
            picture(folder / "normals" / f"{name}.jpg", normals)
            picture(folder / "edge" / f"{name}.png", edges)
        else:
            picture(folder / "segmentation" / f"{name}.png", halves(1, 0))
            array(folder / "depth" / f"{name}.npy", halves(2.0, 4.0, np.float32))
            array(folder / "normals" / f"{name}.npy", halves((1.0, 0.0, 0.0), (0.0, 0.0, 0.0), np.float32))
            array(folder / "edge" / f"{name}.npy", (edges / 255).astype(np.float32))
    return folder


def anno(*things: tuple[int, list[tuple[str, Array]]]) -> dict[str, Any]:
    """The struct of PASCAL-Part: objects (class number, parts), each part a name and a mask."""
    objects = np.empty((1, len(things)), dtype=[(name, object) for name in ("class", "class_ind", "mask", "parts")])
    for index, (number, parts) in enumerate(things):
        kinds = [("part_name", object), ("mask", object)]
        made = np.empty((1, len(parts)), dtype=kinds) if parts else np.empty((0, 0), dtype=kinds)
        for place, (name, mask) in enumerate(parts):
            made[0, place] = (name, mask.astype(np.uint8))
        objects[0, index] = ("person", number, np.ones(SIZE, np.uint8), made)
    whole = np.empty((1, 1), dtype=[("imname", object), ("objects", object)])
    whole[0, 0] = ("name", objects)
    return {"anno": whole}


def pascal(root: Path, train: int = 10, test: int = 3) -> Path:
    """`PASCAL_MT` below `root`: half person and half dog; every second picture has no parts drawn."""
    folder = root / "PASCAL_MT"
    names = [f"2008_{number:06d}" for number in range(train + test)]
    listed(folder / "ImageSets" / "Context" / "train.txt", names[:train])
    listed(folder / "ImageSets" / "Context" / "val.txt", names[train:])
    for number, name in enumerate(names):
        picture(folder / "JPEGImages" / f"{name}.jpg", flat(10 * number))
        source = "VOC12" if number % 2 else "pascal-context"
        picture(folder / "semseg" / source / f"{name}.png", halves(15, 12))
        # 440 is a wall, which the network of the normals knew; 98 a cow, which it did not.
        matlab(folder / "pascal-context" / "trainval" / f"{name}.mat", LabelMap=halves(440, 98, np.uint16))
        picture(folder / "normals_distill" / f"{name}.png", halves((255, 128, 128), (255, 128, 128)))
        picture(folder / "sal_distill" / f"{name}.png", halves(200, 100))
        left = halves(1, 0).astype(bool)
        person = (15, [("head", left), ("lhand", ~left)] if number % 2 == 0 else [])
        matlab(folder / "human_parts" / f"{name}.mat", **anno(person, (12, [("tail", left)])))
    return folder


def cifar_binary(root: Path, train: int = 200, test: int = 100) -> Path:
    """`cifar-100-binary` below `root`: picture i of class i % 100, its red plane all i % 251."""
    from pliant.training.data.cifar_files import _COARSE

    folder = root / "cifar-100-binary"
    folder.mkdir(parents=True, exist_ok=True)
    for file, count in (("train.bin", train), ("test.bin", test)):
        records = np.zeros((count, 2 + 3072), np.uint8)
        records[:, 1] = np.arange(count) % 100
        records[:, 0] = _COARSE[records[:, 1]]
        records[:, 2 : 2 + 1024] = (np.arange(count) % 251)[:, None]
        (folder / file).write_bytes(records.tobytes())
    listed(folder / "fine_label_names.txt", [f"fine{number}" for number in range(100)])
    listed(folder / "coarse_label_names.txt", [f"group{number}" for number in range(20)])
    return folder


FORM = """\
images: images/{}
tasks:
  rooms:
    kind: segmentation
    files: rooms/{}.png
    classes: [floor, wall, thing]
    ignore: [9]
  depth: {kind: depth, files: "depth/{}.png", unit: 0.001, range: [0.3, 10]}
  normals: {kind: normals, files: "normals/{}.npy", frame: opengl}
  edges: {kind: edges, files: "edges/{}"}
  scene: {kind: classification, list: scene.txt, classes: [kitchen, office]}
splits: {train: train.txt, validation: validation.txt, test: test.txt}
"""


def folder(root: Path, count: int = 6, form: str = FORM) -> Path:
    """A user's folder: of the pictures 0, 1, 2 and so on, depth is known of the even ones, the scene of number 0 and of
    that for validation."""
    made = root / "mine"
    names = [f"day{number % 2}/{number:03d}" for number in range(count)]
    for number, name in enumerate(names):
        picture(made / "images" / f"{name}{('.png', '.jpg', '.webp')[number % 3]}", flat(10 * number))
        picture(made / "rooms" / f"{name}.png", halves(2, 9))
        if number % 2 == 0:
            picture(made / "depth" / f"{name}.png", halves(1500, 0, np.uint16))
        array(made / "normals" / f"{name}.npy", halves((0.0, 1.0, 0.0), (0.0, 0.0, 0.0), np.float32))
        picture(made / "edges" / f"{name}.png", halves(255, 0))
    (made / "scene.txt").write_text(f"{names[0]},office\n{names[-2]},office\n")
    for split, part in (("train", names[: count - 2]), ("validation", names[-2:-1]), ("test", names[-1:])):
        listed(made / f"{split}.txt", part)
    (made / "dataset.yaml").write_text(form)
    return made
