"""Hosts that are network namespaces, and how each library's ranks are started there, one on each host."""

import peers
from peers import Gloo, Mpich, OpenMpi, Sluice, bound

HOSTS = peers.ROOT / "perf/hosts"
NAMESPACES, RUN, RSH = (str(HOSTS / name) for name in ("namespaces", "run", "rsh"))


class HostSet:
    """`count` hosts on limited or unlimited links, from up() to down()."""

    def __init__(self, count, links):
        self.count, self.links, self.name = count, links, ""

    def up(self):
        output, complaint = peers.run_process([NAMESPACES, "up", str(self.count), *self.links])
        if complaint:
            raise peers.PeerError(f"no hosts: {complaint}")
        self.name = output.strip()

    def down(self):
        if self.name:
            peers.run_process([NAMESPACES, "down", self.name])
            self.name = ""

    def names(self):
        return [f"{self.name}-{host}" for host in range(self.count)]

    def on(self, host):
        """What goes before a command that is to run on a host."""
        return [NAMESPACES, "exec", f"{self.name}-{host}", "--"]


class OpenMpiOnHosts(OpenMpi):
    """`interfaces`: those of the rails that it may use."""

    def __init__(self, name, title, hosts, interfaces):
        super().__init__(name, title, "tcp", [])
        self.hosts, self.interfaces = hosts, interfaces

    def command(self, ranks, effort):
        hosts = self.hosts[ranks]
        yielding = [] if bound(ranks) else ["--mca", "mpi_yield_when_idle", "1"]
        as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        return [*hosts.on(0), "mpirun.openmpi", "-n", str(ranks), "--host", ",".join(f"{n}:1" for n in hosts.names()),
                "--bind-to", "none", "--mca", "plm_rsh_agent", RSH, "--mca", "oob_tcp_if_include", "a0",
                "--mca", "pml", "ob1", "--mca", "btl", "tcp,self", "--mca", "btl_tcp_if_include",
                ",".join(self.interfaces), *yielding, str(self.program), *self.effort_options(effort)], as_root


class MpichOnHosts(Mpich):
    def __init__(self, name, title, hosts, interfaces):
        super().__init__(name, title, "ucx tcp")
        self.hosts, self.interfaces = hosts, interfaces

    def sizes(self, ranks, sizes):
        """Over sockets, with more ranks than cores, it did not end a single series within the time limit."""
        return sizes if bound(ranks) else []

    def command(self, ranks, effort):
        hosts = self.hosts[ranks]
        return [*hosts.on(0), "mpirun.mpich", "-launcher", "ssh", "-launcher-exec", RSH,
                "-hosts", ",".join(hosts.names()), "-ppn", "1", "-n", str(ranks), "-genv", "UCX_TLS", "tcp,self",
                "-genv", "UCX_NET_DEVICES", ",".join(self.interfaces),
                "-genv", "UCX_MAX_RNDV_RAILS", str(len(self.interfaces)), str(self.program),
                *self.effort_options(effort)], None


class GlooOnHosts(Gloo):
    """Starts its ranks on the hosts by itself."""

    def __init__(self, hosts):
        super().__init__("gloo", "Gloo", "tcp")
        self.hosts = hosts

    def command(self, ranks, effort):
        return [str(self.program), "--ranks", str(ranks), "--hosts", self.hosts[ranks].name,
                *self.effort_options(effort)], None


class SluiceOnHosts(Sluice):
    def __init__(self, name, title, hosts, interfaces):
        super().__init__(name, title, "", "ordinary")
        self.hosts, self.interfaces = hosts, interfaces

    def start(self, collective, ranks):
        return [RUN, "--on", self.hosts[ranks].name, "--hosts", str(ranks), "--",
                "env", "SLUICE_NET=" + ",".join(self.interfaces), str(peers.SLUICE_PERF), collective]

    def iterations(self, ranks):
        return (3500, 700, 70, 7) if bound(ranks) else (700, 140, 21, 7)


def all_peers(hosts, rails):
    """`hosts`: a HostSet for each number of ranks. With two rails, who can stripe is measured on the first alone, too."""
    both = [f"{rail}0" for rail in "ab"[:rails]]
    found = [OpenMpiOnHosts("openmpi", "Open MPI", hosts, both), MpichOnHosts("mpich", "MPICH", hosts, both)]
    if rails > 1:
        found += [OpenMpiOnHosts("openmpi-a", "Open MPI, rail a", hosts, both[:1]),
                  MpichOnHosts("mpich-a", "MPICH, rail a", hosts, both[:1])]
    return [*found, GlooOnHosts(hosts), SluiceOnHosts("sluice", "Sluice", hosts, both)]
