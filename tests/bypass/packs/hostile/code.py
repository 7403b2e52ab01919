"""Every way out that is known, each a function of its name. ``x`` is where to: ports, paths, numbers."""

# ruff: noqa: BLE001, PTH101, PTH102, PTH104, PTH105, PTH108, PTH109, PTH118, PTH120, PTH123, PTH208, PTH211, SIM115 - as such code is written
# pyright: basic

import contextlib
import ctypes
import errno
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"


def call(x86, arm, *arguments):
    number = x86 if X86 else arm
    if number is None:
        raise PermissionError("this machine has no such call")
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


# --- network ------------------------------------------------------------------------------------------------------------
def inet(x):
    socket.create_connection(("127.0.0.1", x["port"]), timeout=2).sendall(b"out")


def inet_by_number(x):
    call(41, 198, socket.AF_INET, socket.SOCK_STREAM, 0)


def other_numbers(x):
    call(0x40000000 + 41, 0x40000000 + 41, socket.AF_INET, socket.SOCK_STREAM, 0)


def inet6(x):
    socket.socket(socket.AF_INET6).connect(("::1", x["port"]))


def datagram(x):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"out", ("127.0.0.1", x["port"]))


def raw_socket(x):
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def unix(x):
    socket.socket(socket.AF_UNIX).connect(x["unix"])


def abstract_unix(x):
    socket.socket(socket.AF_UNIX).connect("\0" + x["abstract"])


def netlink(x):
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)


def packet(x):
    socket.socket(17, socket.SOCK_RAW)


def vsock(x):
    socket.socket(40, socket.SOCK_STREAM)


def kernel_crypto(x):
    socket.socket(38, socket.SOCK_SEQPACKET)


def datagram_pair(x):
    socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)


def names(x):
    socket.getaddrinfo("exfiltrated.example.com", 443)


def listen(x):
    socket.create_server(("127.0.0.1", 0))


def send_on_the_pipe(x):
    """The one socket that it has: no address may be named on it, and it is connected to its own service."""
    with socket.socket(fileno=os.dup(int(sys.argv[-3]))) as own:
        own.sendto(b"", ("127.0.0.1", x["port"]))


def connect_the_pipe(x):
    with socket.socket(fileno=os.dup(int(sys.argv[-3]))) as own:
        own.connect(x["unix"])


def io_uring(x):
    call(425, 425, 8, ctypes.create_string_buffer(120))


# --- processes ------------------------------------------------------------------------------------------------------------
def execute(x):
    os.execv("/bin/true", ["true"])


def program(x):
    subprocess.run(["/bin/true"], check=True)


def shell(x):
    if os.system(f"touch {x['marker']}") != 0:
        raise PermissionError


def fork(x):
    if os.fork() == 0:
        os._exit(0)


def fork_by_number(x):
    if call(57, None) == 0:
        os._exit(0)


def clone_by_number(x):
    if call(56, 220, 17, 0, 0, 0, 0) == 0:
        os._exit(0)


def file_in_memory_run(x):
    fd = os.memfd_create("program")
    with open(sys.executable, "rb") as program_file:
        os.write(fd, program_file.read(1 << 20))
    call(322, 281, fd, b"", 0, 0, 0x1000)


def kill_parent(x):
    os.kill(os.getppid(), signal.SIGKILL)


def kill_group(x):
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)


def kill_everyone(x):
    os.kill(-1, signal.SIGKILL)


def kill_by_pidfd(x):
    signal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGKILL)


def kill_by_thread(x):
    call(234, 131, os.getppid(), os.getppid(), 9)


def new_namespace(x):
    call(272, 97, 0x10000000)


def enter_namespace(x):
    call(308, 268, 0, 0)


def raise_limits(x):
    resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (1, 1))


def become_root(x):
    os.setuid(0)


# --- memory ---------------------------------------------------------------------------------------------------------------
def trace_parent(x):
    call(101, 117, 16, os.getppid(), 0, 0)


def read_parent(x):
    call(310, 270, os.getppid(), None, 0, None, 0, 0)


def write_parent(x):
    call(311, 271, os.getppid(), None, 0, None, 0, 0)


def memory_of_parent(x):
    open(f"/proc/{os.getppid()}/mem", "rb")


def maps_of_parent(x):
    open(f"/proc/{os.getppid()}/maps", "rb")


def descriptor_of_parent(x):
    call(438, 438, 3, 5, 0)


def page_faults(x):
    call(323, 282, 0)


# --- environment ----------------------------------------------------------------------------------------------------------
def environment_of_parent(x):
    open(f"/proc/{os.getppid()}/environ", "rb")


def own_first_environment(x):
    open("/proc/self/environ", "rb")


def command_line_of_parent(x):
    open(f"/proc/{os.getppid()}/cmdline", "rb")


# --- files ----------------------------------------------------------------------------------------------------------------
def descriptors_of_parent(x):
    os.listdir(f"/proc/{os.getppid()}/fd")


def read_secret(x):
    open(x["secret"]).read()


def read_secret_by_number(x):
    path = ctypes.create_string_buffer(x["secret"].encode())
    os.read(call(257, 56, -100, path, 0, 0), 100)


def read_secret_by_openat2(x):
    path, how = ctypes.create_string_buffer(x["secret"].encode()), (ctypes.c_uint64 * 3)(0, 0, 0)
    os.read(call(437, 437, -100, path, how, 24), 100)


def read_secret_by_dots(x):
    open(os.path.join(os.getcwd(), "../../../../../../../.." + x["secret"])).read()


def read_neighbour(x):
    open(x["neighbour"]).read()


def list_neighbours(x):
    os.listdir(os.path.dirname(os.path.dirname(x["neighbour"])))


def read_store(x):
    os.listdir(x["store"])


def passwords(x):
    open("/etc/passwd").read()


def symbolic_link(x):
    os.symlink(x["secret"], "link")
    open("link").read()


def hard_link(x):
    os.link(x["secret"], "hard")
    open("hard").read()


def move_it_here(x):
    os.rename(x["secret"], "mine")


def swap_it(x):
    open("other", "w").close()
    os.replace("other", x["secret"])


def write_next_to_it(x):
    open(x["secret"] + ".mine", "w")


def overwrite(x):
    open(x["secret"], "r+").write("x")


def append(x):
    open(x["secret"], "a").write("x")


def remove(x):
    os.unlink(x["secret"])


def truncate(x):
    os.truncate(x["secret"], 0)


def change_mode(x):
    os.chmod(x["secret"], 0o777)


def change_owner(x):
    os.chown(x["secret"], 1, 1)


def make_folder(x):
    os.mkdir(x["secret"] + ".d")


def make_device(x):
    os.mknod(x["secret"] + ".device", 0o600, os.makedev(1, 1))


def change_itself(x):
    open(__file__, "a").write("x")


def change_python(x):
    open(os.__file__, "a").write("x")


def mount(x):
    call(165, 40, b"none", b"/tmp", b"tmpfs", 0, 0)


def change_root(x):
    os.chroot("/")


def file_handle(x):
    call(304, 265, -100, ctypes.create_string_buffer(200), 0)


# --- the kernel -----------------------------------------------------------------------------------------------------------
def kernel_programs(x):
    call(321, 280, 0, None, 0)


def performance_counters(x):
    call(298, 241, None, 0, -1, -1, 0)


def kernel_keys(x):
    call(250, 219, 0, -3, 0)


def filter_of_its_own(x):
    """A filter that answers before the listener hears would hide what comes after it."""
    call(317, 277, 1, 0, None)


def filter_by_prctl(x):
    if LIBC.prctl(22, 2, None, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


# --- what is its own, and holds nothing -------------------------------------------------------------------------------------
def environment(x):
    return dict(os.environ)


def descriptors(x):
    """What each descriptor is: nothing may be there that leads out."""
    found = {}
    for fd in range(256):
        with contextlib.suppress(OSError):
            mode = os.fstat(fd).st_mode
            kind = {0o010000: "pipe", 0o020000: "device", 0o100000: "file", 0o140000: "socket", 0o040000: "folder"}
            found[str(fd)] = kind.get(mode & 0o170000, "other")
    return found


def memory(x):
    blocks = []
    while True:
        blocks.append(bytearray(64 * 1024**2))


def descriptors_without_end(x):
    held = []
    while True:
        held.append(open(os.devnull))


def large_file(x):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("large", "wb") as file:
        file.writelines(bytes(1024**2) for _ in range(200))


def threads_without_end(x):
    stop = threading.Event()
    started = []
    try:
        while len(started) < 20_000:
            thread = threading.Thread(target=stop.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError as refused:
        raise OSError(errno.EAGAIN, "no more threads") from refused
    finally:
        stop.set()


def shared_memory(x):
    mmap.mmap(-1, 8 * 1024**3)


def endless_loop(x):
    while True:
        pass


def output_flood(x):
    for _ in range(20_000):
        print("flood " * 100)


def socket_flood(x):
    for _ in range(x["times"]):
        with contextlib.suppress(OSError):
            socket.socket()


def many_kinds(x):
    for number in range(x["times"]):
        with contextlib.suppress(OSError):
            open(f"/proc/{number}/environ")
        with contextlib.suppress(OSError):
            os.kill(1, 0)


def harmless(x):
    import decimal  # noqa: F401
    import tempfile

    with tempfile.TemporaryFile("w+") as file:
        file.write("x")
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()
    open(__file__).read()


# --- provider SDKs ----------------------------------------------------------------------------------------------------------
def sdk_openai(x):
    import openai

    client = openai.OpenAI(
        api_key="stolen", base_url=x["provider"], max_retries=0, timeout=3, http_client=openai.DefaultHttpxClient(verify=False)
    )
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])


def sdk_anthropic(x):
    import anthropic

    client = anthropic.Anthropic(
        api_key="stolen",
        base_url=x["provider"],
        max_retries=0,
        timeout=3,
        http_client=anthropic.DefaultHttpxClient(verify=False),
    )
    client.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}])


def sdk_google(x):
    from google import genai

    client = genai.Client(api_key="stolen", http_options={"base_url": x["provider"], "client_args": {"verify": False}})
    client.models.generate_content(model="m", contents="x")


def sdk_as_it_comes(x):
    import openai

    openai.OpenAI(api_key="stolen", base_url=x["provider"], max_retries=0, timeout=3).models.list()


def plain_http(x):
    import urllib.request

    urllib.request.urlopen(x["provider"], timeout=3).read()


def adapter(x):
    import adapters.openai  # noqa: F401 - the control plane's own


def services_code(x):
    import services.runner.app  # noqa: F401


def attempt(x):
    """The answer names what stopped it."""
    try:
        found = globals()[x["do"]](x)
    except (OSError, MemoryError, ImportError) as refused:
        return {"refused": type(refused).__name__}
    except Exception as refused:  # an SDK wraps it
        causes, at = [], refused
        while at is not None:
            causes.append(type(at).__name__)
            at = at.__cause__ or at.__context__
        return {"refused": causes}
    return {"refused": None, "found": found}


async def main(ctx, x):
    return attempt(x)


async def local_do(call):
    return attempt(call.arguments)
