"""The shop as a Django project in one file: ``python -m shop.with_django runserver``.

A job is enqueued when the transaction is committed that wrote what the job will look for: neither
can it start too early, nor does it start for an order that was rolled back.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import connection, models, transaction
from django.http import HttpRequest, JsonResponse
from django.urls import path

from shop import jobs

settings.configure(
    DEBUG=True,
    SECRET_KEY="for an example only",
    ALLOWED_HOSTS=["localhost", "127.0.0.1", "testserver"],
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(__file__).resolve().parents[1] / "var" / "shop.sqlite3",
        }
    },
)
django.setup()


class Payment(models.Model):
    """An order that was paid for; once."""

    order = models.IntegerField(unique=True)

    class Meta:
        app_label = "shop"


def create_tables() -> None:
    """Make the table where there is none; a real project has migrations."""
    if Payment._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Payment)


def pay(_: HttpRequest, order: int) -> JsonResponse:
    """Note the payment and, once that is certain, have the card charged; once, however often."""
    job_id = f"charge-{order}"
    with transaction.atomic():
        Payment.objects.get_or_create(order=order)
        charge = partial(jobs.client.enqueue, jobs.ChargeCard(order), id=job_id)
        transaction.on_commit(charge)
    return JsonResponse({"job": job_id}, status=202)


def show(_: HttpRequest, job_id: str) -> JsonResponse:
    """Tell how far a job is."""
    return JsonResponse({"status": jobs.client.status(job_id)})


urlpatterns = [path("orders/<int:order>/payment", pay), path("jobs/<job_id>", show)]

if __name__ == "__main__":
    Path(settings.DATABASES["default"]["NAME"]).parent.mkdir(exist_ok=True)
    create_tables()
    execute_from_command_line(sys.argv)
