"""Verbs of the deployed half on a suite: `inspect`, `verify`, `sign`, `plan`, `extract`, `package`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..devices.errors import BudgetError, InputError, SuiteError
from ..devices.words import counted
from .options import Json, Provider, Subnets, Suite, Tasks, once, path_option, request, with_budget
from .places import check_file, suite_at
from .progress import note, progress_bar


def inspect(model: Suite, as_json: Json = False) -> None:
    """Show a suite: its tasks, its subnets, their cost and quality.

    \b
    Examples:
      pliant inspect scenes.pliant
      pliant inspect scenes.pliant --json
    """
    from .showing import inspect_json, print_suite
    from .tables import print_json

    with suite_at(model) as suite:
        if as_json:
            print_json(inspect_json(suite))
        else:
            print_suite(suite)


def verify(
    model: Suite,
    subnets: Subnets = None,
    key: Annotated[Path | None, path_option("FILE", "Public key that must have signed it, as PEM.")] = None,
    provider: Provider = None,
    as_json: Json = False,
) -> None:
    """Check a suite: every digest and bound, and every subnet, run here, against its witness.

    \b
    Examples:
      pliant verify scenes.pliant
      pliant verify scenes.pliant --key key.pub.pem
    """
    from ..runtime.format.signing import signer
    from ..runtime.verify import verify_suite
    from .showing import print_verified, verified_json
    from .tables import print_json

    with suite_at(model) as suite, progress_bar() as report:
        named = once(subnets)
        total = 1 + (key is not None) + len(named or suite.subnets)
        results = []
        for result in verify_suite(suite, named or None, key=key, **request(provider=provider)):
            results.append(result)
            report("verifying", len(results), total)
        said = signer(suite) if key is None else None
    if said is not None:
        note(f"the suite says that it is signed by {said}; that was not checked: do so with --key FILE")
    if as_json:
        print_json(verified_json(model, results))
    else:
        print_verified(results)
    failed = [result for result in results if not result.ok]
    if failed:
        raise SuiteError(f"{model} fails {len(failed)} of {len(results)} checks; first: {failed[0].detail}")


def sign(
    model: Suite,
    key: Annotated[Path, path_option("FILE", "Private Ed25519 key, as PEM without a password.")],
    out: Annotated[Path | None, path_option("FILE", "Write here; the suite stays as it is.")] = None,
    as_json: Json = False,
) -> None:
    """Sign a suite, so that whoever has the public key can tell that all that is used of it is yours (verify --key).

    \b
    Example:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out key.pub.pem
      pliant sign scenes.pliant --key key.pem
    """
    from ..runtime.format.signing import sign_suite
    from ..runtime.opening import is_address
    from .tables import print_json, print_lines

    if out is None and is_address(model):
        raise InputError(f"{model} is not here to be signed in place: say where to write with --out")
    with suite_at(model) as suite:
        signer = sign_suite(suite, key, out)
    written = str(out or model)
    if as_json:
        print_json({"path": written, "signer": signer})
    else:
        print_lines([(written, f"signed by {signer}")])


@with_budget
def plan(model: Suite, *, asked: dict[str, Any], as_json: Json = False) -> None:
    """Choose the subnet for a budget, and say why, and why not the others.

    Latency is met by what is measured on this machine; what was not measured yet is measured first.

    \b
    Examples:
      pliant plan scenes.pliant --latency 15ms
      pliant plan scenes.pliant --latency 15ms --quantile 0.95 --prefer depth=2
      pliant plan scenes.pliant --macs 2G --floor segmentation=0.6 --tasks segmentation,depth
    """
    from .showing import print_plan
    from .tables import print_json

    with suite_at(model) as suite:
        with progress_bar() as report:
            chosen = suite.plan(**asked, progress=report)
        for text in chosen.notes if as_json else ():
            note(text)
        if as_json:
            print_json(chosen.to_json())
        else:
            print_plan(chosen)


def extract(
    model: Suite,
    subnet: Annotated[str, typer.Argument(metavar="SUBNET", help="Its id, as `inspect` lists it.", show_default=False)],
    out: Annotated[Path, path_option("SUBNET.onnx", "The ONNX file to write.")],
    target: Annotated[str, typer.Option(metavar="onnxruntime|tensorrt", help="Engine that will read it.")] = (
        "onnxruntime"
    ),
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Write one subnet as a plain ONNX model (SUBNET.onnx and SUBNET.onnx.data), for anyone's engine.

    \b
    Example:
      pliant extract scenes.pliant s04-fp32 --out s04.onnx
    """
    from ..runtime.extract import extract_subnet_file
    from .tables import print_json
    from .tables import size as bytes_text

    if target not in ("onnxruntime", "tensorrt"):
        raise BudgetError(f"there is no target {target!r}: use onnxruntime or tensorrt")
    check_file(out)
    with suite_at(model) as suite:
        written = extract_subnet_file(suite, subnet, out, target=target, tasks=request(tasks=tasks).get("tasks"))
    files = {str(path): path.stat().st_size for path in written}
    if as_json:
        print_json({"subnet": subnet, "target": target, "files": files})
    else:
        print("\n".join(f"{path}  {bytes_text(length)}" for path, length in files.items()))


def package(
    model: Suite,
    out: Annotated[Path, path_option("DIR", "The folder to write; it must not be there yet.")],
    subnets: Subnets = None,
    tasks: Tasks = None,
    as_json: Json = False,
) -> None:
    """Write subnets as an onnxruntime model package (a folder), for onnxruntime 1.32 or newer.

    Each subnet is a component with its own weights; onnxruntime chooses its variant by execution provider:
    ModelPackageContext(DIR).select_component(SUBNET, ModelPackageOptions(SessionOptions())).create_session().

    \b
    Example:
      pliant package scenes.pliant --subnet s04-fp32 --subnet s04-int8 --out scenes-package
    """
    from ..runtime.package import write_package
    from .tables import print_json, print_lines
    from .tables import size as bytes_text

    with suite_at(model) as suite:
        chosen = once(subnets) or [subnet.id for subnet in suite.subnets]
        write_package(suite, chosen, out, tasks=request(tasks=tasks).get("tasks"))
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if as_json:
        print_json({"path": str(out), "subnets": list(chosen), "bytes": total})
    else:
        print_lines([(str(out), f"{counted(len(chosen), 'subnet')}, {bytes_text(total)}")])
