"""The live feed's address. Plain WebSocket: its first frame says who, so that no token stands in a URL or a log."""

from fastapi import APIRouter, WebSocket

from services.gateway.live.socket import SLOW, Socket
from services.gateway.state import Gateway

router = APIRouter()


@router.websocket("/ws")
async def live(websocket: WebSocket) -> None:
    """Events as they are stored; see docs/reference/live.md for the frames."""
    gateway: Gateway = websocket.app.state.gateway
    await websocket.accept()
    if gateway.load.sockets >= gateway.settings.max_sockets:
        await websocket.close(SLOW, "too many live sockets are open")
        return
    gateway.load.sockets += 1
    try:
        await Socket(websocket, gateway).serve()
    finally:
        gateway.load.sockets -= 1
