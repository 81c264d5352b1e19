"""Back-pressure of one connection: it is read from only while its answers drain and it is not owed too many."""

import asyncio

from uvicorn.protocols.http.flow_control import FlowControl


class LaneFlow(FlowControl):
    """Uvicorn's, with reading bound to writing: a peer that does not read its answers is not read from either."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self.held = False

    def hold(self) -> None:
        """No reading until `release`, whoever asks for it."""
        self.held = True
        self.pause_reading()

    def release(self) -> None:
        self.held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        if not self.held and not self.write_paused:
            super().resume_reading()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.resume_reading()
