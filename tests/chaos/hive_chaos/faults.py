"""Every way in which a run is broken, by name."""

from typing import Final

from hive_chaos.faults_of_machines import FAULTS_OF_MACHINES
from hive_chaos.faults_of_processes import FAULTS_OF_PROCESSES
from hive_chaos.faults_of_servers import FAULTS_OF_SERVERS

__all__ = ["FAULTS"]

FAULTS: Final = {**FAULTS_OF_PROCESSES, **FAULTS_OF_SERVERS, **FAULTS_OF_MACHINES}
