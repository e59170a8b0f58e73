"""Is the process there, and can it do its work: for load balancers and monitors. Neither tells anything of the shop."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse

from cartctl.errors import DatabaseError, SchemaError
from cartctl.store import schema
from cartctl.web.service import Service

router = APIRouter()


@router.get("/healthz", response_class=PlainTextResponse)
@router.head("/healthz", include_in_schema=False)
async def healthz() -> PlainTextResponse:
    """Say that the process answers."""
    return PlainTextResponse("ok\n")


@router.get("/readyz", response_class=JSONResponse)
@router.head("/readyz", include_in_schema=False)
async def readyz(request: Request) -> JSONResponse:
    """Say whether the database is there and of this program's schema: 200 or 503."""
    service: Service = request.app.state.service
    problem = await asyncio.to_thread(_problem, service)
    return JSONResponse({"ready": not problem, "problem": problem}, 503 if problem else 200)


def _problem(service: Service) -> str:
    """Return "database", "schema" or nothing; what exactly is wrong `cartctl db status` tells the operator."""
    try:
        with service.database.read() as connection:
            return "" if schema.check(connection) else "schema"
    except DatabaseError as error:
        return "schema" if isinstance(error, SchemaError) else "database"
