"""What every test gets: one thread a worker, a cache of its own, the checkout's folders."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

# Two workers on two cores: more threads each would only get in one another's way. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell without job control starts its jobs deaf to Ctrl-C, and what tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import hypothesis
import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
_CACHES = itertools.count()

hypothesis.settings.register_profile("pliant", deadline=None, max_examples=25, print_blob=True)
hypothesis.settings.load_profile("pliant")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the measurements that the user keeps."""
    # Counted here: `mktemp` looks through the folders of all tests before for the next number.
    folder = tmp_path_factory.getbasetemp() / f"own-cache-{next(_CACHES)}"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("PLIANT_CACHE", str(folder))
    monkeypatch.delenv("PLIANT_DEBUG", raising=False)
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """Root of the repository."""
    return CHECKOUT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real data sets: `$PLIANT_DATA`, or `../shared/data` beside the checkout."""
    given = os.environ.get("PLIANT_DATA")
    folder = Path(given) if given else CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (PLIANT_DATA names its folder)")
    return folder
