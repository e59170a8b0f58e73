"""The transport of a dry run and of a simulation: accepts everything, carries nothing."""

from dataclasses import dataclass

from cartctl.mail.message import Accepted, Answer, OutgoingMessage, Probed


@dataclass(frozen=True, slots=True)
class Pretend:
    """Goes by the name of the transport it stands for: what may be asked for again hangs on that."""

    name: str
    delivers: bool = False

    def written(self, message: OutgoingMessage) -> OutgoingMessage:
        return message

    def send(self, message: OutgoingMessage) -> Answer:
        return Accepted("")

    def probe(self) -> Probed:
        return Probed()
