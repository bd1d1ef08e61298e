"""A Modbus server of pymodbus, to be run beside a test: ``plant.py ADDRESS PORT…``."""

from __future__ import annotations

import asyncio
import sys

from pymodbus import ModbusDeviceIdentification
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

IDENTITY = {"VendorName": "Portlore Works", "ProductCode": "PW-7", "MajorMinorRevision": "4.2"}


async def main(address: str, ports: list[int]) -> None:
    """Serve ten registers on each port until killed."""
    device = SimDevice(0, simdata=[SimData(0, count=10, values=7, datatype=DataType.REGISTERS)])
    identity = ModbusDeviceIdentification(info_name=IDENTITY)  # type: ignore[no-untyped-call]
    servers = [ModbusTcpServer(device, identity=identity, address=(address, port)) for port in ports]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], [int(word) for word in sys.argv[2:]]))
