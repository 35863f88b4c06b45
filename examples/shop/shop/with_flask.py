"""The shop as a Flask application: ``flask --app shop.with_flask run``.

The function that makes the application takes the client: a test hands it its own.
"""

from __future__ import annotations

from flask import Flask

from horus_supervisor import Client
from shop import redis
from shop.jobs import ChargeCard


def create_app(horus: Client | None = None) -> Flask:
    """Make the application; one client for all of its threads."""
    app = Flask(__name__)
    client = horus or Client(redis.url())

    @app.post("/orders/<int:order>/payment")
    def pay(order: int) -> tuple[dict[str, str], int]:
        handle = client.enqueue(ChargeCard(order), id=f"charge-{order}")
        return {"job": handle.id}, 202

    @app.get("/jobs/<job_id>")
    def show(job_id: str) -> dict[str, str]:
        return {"status": client.status(job_id)}

    return app
