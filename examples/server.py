"""A server with a budget for each request: POST an image to /infer?macs=20M, or GET /plan?latency=5ms.

pip install '.[cpu,examples]'; python examples/server.py --port 8000
curl --data-binary @photo.jpg 'http://127.0.0.1:8000/infer?macs=20M&prefer=depth=2'
curl --data-binary @photo.jpg 'http://127.0.0.1:8000/infer?latency=5ms&picture=depth' > depth.png
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from importlib.resources import files
from typing import Annotated, Any

import numpy as np
from PIL import Image

import pliant

try:
    import uvicorn
    from fastapi import Depends, FastAPI, Query, Request, Response
    from fastapi.responses import JSONResponse
except ImportError as missing:
    raise SystemExit(f"{missing}: in a checkout of pliant, pip install '.[cpu,examples]'") from None

SAMPLE = files("pliant.runtime") / "sample" / "sample.pliant"
Array = np.ndarray[Any, Any]


class Models:
    """A loaded model for each subnet that is in use, `most` at most; one that is put out serves whoever holds it."""

    def __init__(self, suite: pliant.Suite, most: int = 8):
        self.suite, self._most = suite, most
        self._loading: dict[str, asyncio.Task[pliant.Model]] = {}
        # Plans measure, and measure badly side by side.
        self._planning = asyncio.Lock()
        self.engines = asyncio.Semaphore(os.cpu_count() or 1)

    async def plan(self, budget: dict[str, Any]) -> pliant.Plan:
        async with self._planning if {"latency", "memory"} & budget.keys() else nullcontext():
            return await asyncio.to_thread(self.suite.plan, threads=1, **budget)

    async def get(self, subnet: str) -> pliant.Model:
        known = self._loading.get(subnet)
        if known is None or (known.done() and known.exception()):  # two requests at once load it once
            load = asyncio.to_thread(self.suite.load, subnet, threads=1)
            self._loading[subnet] = asyncio.create_task(load)
        task = self._loading[subnet] = self._loading.pop(subnet)  # the latest used is the last
        while len(self._loading) > self._most:
            del self._loading[next(iter(self._loading))]
        return await asyncio.shield(task)


def budget(
    latency: str | None = None,
    memory: str | None = None,
    macs: str | None = None,
    bytes: str | None = None,
    prefer: Annotated[list[str], Query()] = [],  # noqa: B006
) -> dict[str, Any]:
    """The words of `suite.plan`, as query parameters; `prefer=depth=2` may come several times."""
    given = {"latency": latency, "memory": memory, "macs": macs, "bytes": bytes}
    try:
        weights = {task: float(weight) for task, _, weight in (text.partition("=") for text in prefer)}
    except ValueError:
        raise pliant.BudgetError("a preference is a task and a number, as in prefer=depth=2") from None
    return {name: value for name, value in given.items() if value} | ({"prefer": weights} if weights else {})


Budget = Annotated[dict[str, Any], Depends(budget)]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    with pliant.open_suite(os.environ.get("PLIANT_SUITE", str(SAMPLE))) as suite:
        app.state.models = Models(suite)
        yield
    print("closed", flush=True)


app = FastAPI(title="pliant", lifespan=lifespan)


@app.exception_handler(pliant.PliantError)
async def refuse(_: Request, error: Exception) -> JSONResponse:
    """What the client did wrong is 400, a budget that nothing fits 409 with the nearest, the rest ours."""
    status = {pliant.NoSubnetFits: 409, pliant.BudgetError: 400, pliant.InputError: 400}.get(type(error), 500)
    return JSONResponse({"error": str(error), "nearest": getattr(error, "nearest", None)}, status)


@app.get("/plan")
async def plan(request: Request, budget: Budget) -> dict[str, Any]:
    found: pliant.Plan = await request.app.state.models.plan(budget)
    return found.to_json()


@app.post("/infer")
async def infer(request: Request, budget: Budget, picture: str | None = None) -> Response:
    models: Models = request.app.state.models
    body = await request.body()
    chosen = await models.plan(budget)
    model = await models.get(chosen.subnet.id)
    async with models.engines:
        answered, outputs, ms = await asyncio.to_thread(answer, model, body)
    if picture is not None:
        return Response(await asyncio.to_thread(png, models.suite, picture, outputs), media_type="image/png")
    means = {task: float(np.mean(array)) for task, array in outputs.items()}
    return JSONResponse({"subnet": answered, "why": chosen.why, "latency_ms": ms, "mean": means})


def answer(model: pliant.Model, body: bytes) -> tuple[str, dict[str, Array], float]:
    try:
        image = Image.open(io.BytesIO(body)).convert("RGB")
    except OSError:
        raise pliant.InputError("the body is no image: send a JPEG or PNG file") from None
    frame = np.asarray(image.resize((model.suite.input.width, model.suite.input.height)))
    start = time.perf_counter()
    outputs = model(frame)
    return model.subnet.id, outputs, (time.perf_counter() - start) * 1e3


def png(suite: pliant.Suite, task: str, outputs: dict[str, Array]) -> bytes:
    (name,) = suite.check_tasks([task])
    array, (low, high) = outputs[name], suite.tasks[name].value_range
    colors = np.array(suite.tasks[name].colors, np.uint8)
    grey = np.clip((array.astype(np.float32) - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(colors[array] if suite.tasks[name].kind == "segmentation" else grey).save(out, "PNG")
    return out.getvalue()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A server with a budget for each request.")
    parser.add_argument("--port", type=int, default=8000)
    uvicorn.run(app, port=parser.parse_args().port)
