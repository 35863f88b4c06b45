"""The shop as a FastAPI application: ``uvicorn shop.with_fastapi:app``.

The client lives as long as the application, and routes get it as a dependency.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from horus_supervisor import AsyncClient
from shop import redis
from shop.jobs import ChargeCard


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the client before the first request, close it after the last."""
    async with AsyncClient(redis.url()) as client:
        app.state.horus = client
        yield


app = FastAPI(lifespan=lifespan)


async def of_the_app(request: Request) -> AsyncClient:
    """Give a route the client."""
    client: AsyncClient = request.app.state.horus
    return client


Horus = Annotated[AsyncClient, Depends(of_the_app)]


@app.post("/orders/{order}/payment", status_code=202)
async def pay(order: int, horus: Horus) -> dict[str, str]:
    """Have a card charged; a second click changes nothing, as the job's id is the order's."""
    handle = await horus.enqueue(ChargeCard(order), id=f"charge-{order}")
    return {"job": handle.id}


@app.get("/jobs/{job_id}")
async def show(job_id: str, horus: Horus) -> dict[str, str]:
    """Tell how far a job is."""
    return {"status": await horus.status(job_id)}
