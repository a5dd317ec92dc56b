"""python -m bench.predict: what a trained network says of pictures, as pictures and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.command import console, flags
from tickets.errors import DataError, UserError

if TYPE_CHECKING:
    from tasks.network import Kept

app = console.application()

SUMMARY = "predictions.json"


@app.command()
def predict(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A file of a trained network or a ticket, or a record's id.")
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="Image files, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for pictures and JSON; it is made.")],
    home: Annotated[Path, typer.Option("--home", help="Where a record's id is looked for.")] = Path("runs"),
    data_root: flags.DataRoot = None,
    data: flags.Data = None,
) -> None:
    """Say of each image what a trained network makes of it: its class, a mask, joints or a reconstruction.

    predictions.json holds all answers, in each image's own pixels; pictures/ shows them, and masks/ has PNG files of
    class ids. A drawn ticket predicts what it was drawn on. For joints, one person should fill the image.

    Examples:

    python -m bench.predict runs/networks/NAME.json photographs --out told

    python -m bench.predict transfer_cls-figures-to-seg-figures_omp_s0.9_finetune_seed0-0123456789 a.jpg --out told
    """
    files = list(_files(images))
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file, and pictures and JSON need a folder; name another by --out.")
    from bench.inventory.answering import opened
    from tickets import atomic

    kept = opened(network, home, flags.places(data_root, data))
    if not kept.task.answers():
        raise UserError(f"networks of {kept.name} are asked nothing of a picture; give one of cls, seg, pose or vae.")
    told = [_told(kept, file, name, out) for file, name in zip(files, _names(files), strict=True)]
    document = {"task": kept.name, "names": list(kept.task.info.names), "images": told}
    atomic.write(out / SUMMARY, f"{json.dumps(document, indent=1, ensure_ascii=False)}\n".encode())
    failed = sum("error" in one for one in told)
    read = f", {failed} of them not readable" if failed else ""
    print(f"{len(told)} image{'s' * (len(told) != 1)}{read}: {out / SUMMARY}")
    if failed:
        raise typer.Exit(1)


def _told(kept: Kept, file: Path, name: str, out: Path) -> dict[str, Any]:
    """Predict one image, write its pictures, and tell it in a line; of one that cannot be read, why."""
    import numpy as np

    from bench.views import answer as views
    from tasks.data.files import rgb

    try:
        image = np.asarray(rgb(file, upright=True))
    except DataError as error:
        print(error)
        return {"image": str(file), "error": str(error)}
    answer = kept.answer(image)
    print(f"{file}: {_short(answer.told)}")
    found = {"image": str(file), "height": image.shape[0], "width": image.shape[1], **answer.told}
    found["picture"] = f"pictures/{name}.png"
    views.draw(image, answer, file.name, out / found["picture"])
    if answer.mask is not None:
        found["mask"] = f"masks/{name}.png"
        views.mask(answer.mask, kept.task.info.names, out / found["mask"])
    return found


def _short(told: Any) -> str:
    """An answer in a few words."""
    if "label" in told:
        return f"{told['label']} {told['probability']:.0%}"
    if "shares" in told:
        return ", ".join(f"{name} {share:.0%}" for name, share in list(told["shares"].items())[:3])
    if "joints" in told:
        return f"{sum(place is not None for place in told['joints'].values())} of {len(told['joints'])} joints"
    return ", ".join(f"{key.replace('_', ' ')} {value:.4g}" for key, value in told.items())


def _files(images: Sequence[Path]) -> Iterator[Path]:
    """The image files, those of folders by name; hidden ones and what is no image are passed over there.

    Raises:
        UserError: a file does not exist, or a folder holds no image.
    """
    from tasks.data.files import files_below
    from tasks.data.own import SUFFIXES

    for path in images:
        if path.is_dir():
            yield from (path / name for name in files_below(path, SUFFIXES))
        elif path.is_file():
            yield path
        else:
            raise UserError(f"the image {path} does not exist; give image files, or folders that hold some.")


def _names(files: Sequence[Path]) -> list[str]:
    """A name for each file's pictures: its own, with a number behind it where an earlier file has the same."""
    names: list[str] = []
    for number, file in enumerate(files):
        names.append(f"{file.stem}-{number}" if file.stem in names else file.stem)
    return names


if __name__ == "__main__":
    console.main(app, "python -m bench.predict")
