"""Is the process there, and can it do its work: for load balancers and monitors. Neither tells anything of the shop."""

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse

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
    problem = await service.problem()
    return JSONResponse({"ready": not problem, "problem": problem}, 503 if problem else 200)
