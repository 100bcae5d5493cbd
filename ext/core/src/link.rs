//! The link: frames between the sidecar and one worker, over two inherited pipes.
//!
//! # How it works
//! The sidecar makes two pipes and a slot page before each spawn and names their descriptors and inodes in
//! [`LINK_VARIABLE`]. The worker checks the inodes ([`Ends::from_variable`]), so that a number which a wrapper
//! closed and something else took is never mistaken for the link. Then:
//!
//! ```text
//! worker                      sidecar
//!   | -- Hello --------------->  |   booted, at the gate: versions spoken, what install() was given
//!   | <------- Go | Refused ---  |   enter, with name, slot, generation | one sentence why not
//!   | -- Ready --------------->  |   first run() or tick(), and whenever the methods change
//!   | <------------- Request --  |   sequence, dialect, method, raw JSON arguments
//!   | -- Reply --------------->  |   the same sequence; data or fault, raw JSON
//!   | <--------------- Drain --  |   finish what you have, then end
//!   | -- Signalled ----------->  |   a stop signal has arrived, and who sent it (version 2)
//!   | -- Taken --------------->  |   stop signals that the script has given to somebody else (version 2)
//!   | <------ Pause | Resume --  |   serve nothing from here on | serve again (version 3)
//!   | -- Bind ---------------->  |   this value is mine: send me the requests that carry it (version 5)
//!   | <--------------- Bound --  |   the same sequence; so it is, or a fault (version 5)
//!   | -- Unbind -------------->  |   it is not any more (version 5)
//!   | <------------- Expired --  |   nobody has used it for its time to live: it is not yours any more (version 5)
//!   | -- Deferred ------------>  |   this request is answered later: I am free for another one (version 5)
//!   | -- Paused | Resumed ---->  |   so it is, and the script's onPause or onResume has run (version 3)
//! ```
//!
//! Frame, little-endian:
//!
//! ```text
//! offset  bytes  field
//!      0      4  length of the payload in bytes, <= MAX_PAYLOAD_BYTES
//!      4      2  kind
//!      6      2  flags: Request: dialect; Reply: 0 data, 1 fault; else 0
//!      8      8  sequence of the request, else 0
//!     16      -  payload
//! ```
//!
//! A `Hello` payload begins with magic, lowest and highest version; `Refused` is one sentence in UTF-8. These two
//! never change, so that any two releases can tell each other that they do not fit.
//!
//! # What may be lost
//! Nothing that was written: a pipe keeps its bytes after its writer's death. EOF tells the worker that the
//! sidecar is gone; a worker's death is told by its pidfd, never by the link.
//!
//! # Version history
//! 1: Hello Go Refused Ready Request Reply Drain.
//! 2: Signalled Taken.
//! 3: Pause Resume Paused Resumed; in Ready `own_loop` and `blind`, in Go `predecessor`.
//! 4: Leaving; in a request's flags the number of its claim (see `slot`), and JSON-RPC among the dialects.
//! 5: Bind Bound Unbind Expired Deferred; in a request its [`Caller`], of which the flags tell; in Ready `concurrency`;
//! requests of the method [`MESSAGE`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use serde::{Deserialize, Serialize};

use crate::sys;

/// The environment variable that names the link's descriptors to the worker.
pub const LINK_VARIABLE: &str = "RUSTDAEMON_LINK";
/// The environment variable that every process started under a sidecar inherits: `<run>/<slot>`.
pub const RUN_VARIABLE: &str = "RUSTDAEMON_RUN";
/// The environment variable with the path of the sidecar's socket.
pub const SOCKET_VARIABLE: &str = "RUSTDAEMON_SOCKET";

/// The lowest link version that this build speaks.
pub const LOWEST_VERSION: u16 = 1;
/// The highest link version that this build speaks.
pub const HIGHEST_VERSION: u16 = 5;
/// The first version with [`Kind::Signalled`] and [`Kind::Taken`].
pub const SIGNALS_VERSION: u16 = 2;
/// The first version with [`Kind::Pause`], [`Kind::Resume`] and their acknowledgements.
pub const PAUSE_VERSION: u16 = 3;
/// The first version with claims and [`Kind::Leaving`].
pub const CLAIMS_VERSION: u16 = 4;
/// The first version with [`Kind::Bind`], its like, [`Kind::Deferred`], [`Caller`] and [`MESSAGE`].
pub const SESSIONS_VERSION: u16 = 5;
/// The method of a request that is a message to its worker: no worker offers it. The arguments are a list of the
/// message's name and its payload. Only for a link of [`SESSIONS_VERSION`] or later.
pub const MESSAGE: &str = "worker.send";
/// First bytes of a `Hello` payload: "RDLK".
pub const MAGIC: u32 = u32::from_le_bytes(*b"RDLK");
/// Length of a frame's header in bytes.
pub const HEADER_BYTES: usize = 16;
/// Longest payload in bytes. The socket's own limit is 16 MiB; a reply carries its envelope besides.
pub const MAX_PAYLOAD_BYTES: usize = 16 * 1024 * 1024 + 64 * 1024;

/// What a frame says. The numbers are on the wire and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Kind {
    /// Worker: booted, at the gate.
    Hello = 1,
    /// Sidecar: pass the gate.
    Go = 2,
    /// Sidecar: this worker will not be let in; the payload says why.
    Refused = 3,
    /// Worker: serves these methods from now on.
    Ready = 4,
    /// Sidecar: run this request.
    Request = 5,
    /// Worker: the answer to one request.
    Reply = 6,
    /// Sidecar: finish what you have, then end.
    Drain = 7,
    /// Worker: a stop signal has arrived.
    Signalled = 8,
    /// Worker: these stop signals do not stop it by themselves.
    Taken = 9,
    /// Sidecar: serve nothing until [`Kind::Resume`].
    Pause = 10,
    /// Sidecar: serve again.
    Resume = 11,
    /// Worker: it is paused; also when it was already.
    Paused = 12,
    /// Worker: it serves again; also when it did already.
    Resumed = 13,
    /// Worker: it begins nothing any more, and is about to end.
    Leaving = 14,
    /// Worker: a value is to be its own.
    Bind = 15,
    /// Sidecar: the answer to one `Bind`.
    Bound = 16,
    /// Worker: a value is nobody's any more.
    Unbind = 17,
    /// Sidecar: a value's time to live is over.
    Expired = 18,
    /// Worker: the request of this number is answered later, and does not keep it from others.
    Deferred = 19,
}

impl Kind {
    fn from_wire(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Hello,
            2 => Self::Go,
            3 => Self::Refused,
            4 => Self::Ready,
            5 => Self::Request,
            6 => Self::Reply,
            7 => Self::Drain,
            8 => Self::Signalled,
            9 => Self::Taken,
            10 => Self::Pause,
            11 => Self::Resume,
            12 => Self::Paused,
            13 => Self::Resumed,
            14 => Self::Leaving,
            15 => Self::Bind,
            16 => Self::Bound,
            17 => Self::Unbind,
            18 => Self::Expired,
            19 => Self::Deferred,
            _ => return None,
        })
    }
}

/// The JSON dialect in which a client asked, and in which the worker encodes the reply's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Dialect {
    /// `{"command":...}`: slashes and Unicode escaped, as PHP's `json_encode` does by default.
    Flat = 1,
    /// `{"t":"req",...}`: slashes and Unicode as they are.
    Typed = 2,
    /// `{"jsonrpc":"2.0",...}`: as [`Dialect::Typed`].
    JsonRpc = 3,
}

impl Dialect {
    /// The dialect of a `Request` frame's flags.
    #[must_use]
    pub fn from_flags(flags: u16) -> Option<Self> {
        match flags & 0x7f {
            1 => Some(Self::Flat),
            2 => Some(Self::Typed),
            3 => Some(Self::JsonRpc),
            _ => None,
        }
    }
}

/// Why a link cannot be used any further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkError {
    /// A frame announces more than [`MAX_PAYLOAD_BYTES`].
    TooLong(usize),
    /// A kind that this version does not know.
    UnknownKind(u16),
    /// A payload that does not read as its kind says.
    Malformed(&'static str),
}

impl std::error::Error for LinkError {}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong(bytes) => {
                write!(f, "a frame of {bytes} bytes is longer than the link's {MAX_PAYLOAD_BYTES}")
            }
            Self::UnknownKind(kind) => write!(f, "a frame of unknown kind {kind}"),
            Self::Malformed(what) => write!(f, "a malformed frame: {what}"),
        }
    }
}

/// One frame, decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What it says.
    pub kind: Kind,
    /// By kind: [`request_flags`] of a request, outcome of a reply.
    pub flags: u16,
    /// The request's number, 0 where there is none.
    pub sequence: u64,
    /// The rest.
    pub payload: Vec<u8>,
}

/// Appends one frame to `out`; the payload is the concatenation of `parts`.
///
/// # Errors
/// [`LinkError::TooLong`]: nothing is appended.
pub fn encode(
    out: &mut Vec<u8>,
    kind: Kind,
    flags: u16,
    sequence: u64,
    parts: &[&[u8]],
) -> Result<(), LinkError> {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= MAX_PAYLOAD_BYTES);
    let length = length.ok_or(LinkError::TooLong(bytes))?;
    out.reserve(HEADER_BYTES + bytes);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(kind as u16).to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&sequence.to_le_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
    Ok(())
}

/// Cuts frames out of the bytes that arrive, in whatever pieces.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// Takes what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        } else if self.start > 64 * 1024 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole frame; `None`: more bytes are needed.
    ///
    /// # Errors
    /// After an error the stream has no known frame boundary: close the link.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, LinkError> {
        let rest = self.bytes.get(self.start..).unwrap_or_default();
        let Some((header, rest)) = rest.split_first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let [l0, l1, l2, l3, k0, k1, f0, f1, sequence @ ..] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_PAYLOAD_BYTES {
            return Err(LinkError::TooLong(length));
        }
        let number = u16::from_le_bytes([k0, k1]);
        let kind = Kind::from_wire(number).ok_or(LinkError::UnknownKind(number))?;
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        let mut copy = Vec::with_capacity(length + 1); // with room for the NUL byte that PHP's JSON scanner wants
        copy.extend_from_slice(payload);
        let (flags, sequence) = (u16::from_le_bytes([f0, f1]), u64::from_le_bytes(sequence));
        self.start += HEADER_BYTES + length;
        Ok(Some(Frame { kind, flags, sequence, payload: copy }))
    }
}

/// What a worker says of itself at the gate. The `Option`s are the arguments of `install()`; one that was left at
/// its default is `None` and is not compared with the sidecar's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hello {
    /// The lowest link version it speaks. In the fixed part of the payload, not in its JSON.
    #[serde(skip)]
    pub lowest: u16,
    /// The highest link version it speaks. In the fixed part of the payload, not in its JSON.
    #[serde(skip)]
    pub highest: u16,
    /// Its process id.
    pub pid: i32,
    /// The extension's version.
    pub extension: String,
    /// PHP's version.
    pub php: String,
    /// `name:`
    pub name: Option<String>,
    /// `socket:`
    pub socket: Option<String>,
    /// `mode:`, permission bits.
    pub mode: Option<u32>,
    /// `workers:`
    pub workers: Option<u32>,
    /// Whether there is a `token:`. Which one, is nobody's affair.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub token: bool,
}

impl Hello {
    /// The payload of its frame.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let mut out = MAGIC.to_le_bytes().to_vec();
        out.extend_from_slice(&self.lowest.to_le_bytes());
        out.extend_from_slice(&self.highest.to_le_bytes());
        out.extend_from_slice(&json(self));
        out
    }

    /// Reads a payload. The versions come first: where they do not fit, the rest may be of another make and is
    /// left at its defaults.
    ///
    /// # Errors
    /// [`LinkError::Malformed`]: not a hello of any version.
    pub fn parse(payload: &[u8]) -> Result<Self, LinkError> {
        let Some((&[m0, m1, m2, m3, l0, l1, h0, h1], rest)) = payload.split_first_chunk::<8>() else {
            return Err(LinkError::Malformed("a hello that is too short"));
        };
        if u32::from_le_bytes([m0, m1, m2, m3]) != MAGIC {
            return Err(LinkError::Malformed("a hello without its magic number"));
        }
        let (lowest, highest) = (u16::from_le_bytes([l0, l1]), u16::from_le_bytes([h0, h1]));
        let body = match common_version((lowest, highest)) {
            Some(_) => from_json::<Self>(rest)?,
            None => Self::default(),
        };
        Ok(Self { lowest, highest, ..body })
    }
}

/// The highest version that both this build and a peer speaking `lowest..=highest` know.
#[must_use]
pub fn common_version((lowest, highest): (u16, u16)) -> Option<u16> {
    let version = highest.min(HIGHEST_VERSION);
    (version >= lowest && version >= LOWEST_VERSION).then_some(version)
}

/// Leave to pass the gate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Go {
    /// The link version to speak from here on.
    pub version: u16,
    /// The pool's name.
    pub name: String,
    /// The worker's number in its pool.
    pub slot: u32,
    /// Which release of the code this worker belongs to: 1, and one more with each reload.
    pub generation: u32,
    /// How the worker that stood here before ended; `None`: this is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predecessor: Option<Box<ExitReason>>,
}

/// Why a worker ended, for its successor and for people.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExitReason {
    /// One word: `exit`, `signal`, `killed`, `oom`, `stop`, `restart`, `reload`, `max_requests`, `max_lifetime`,
    /// `memory_soft`, `memory_hard`, `hang`, `error`, `not_started`, `refused` or `link_broken`.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
    /// Its exit code, when it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it: `SIGKILL`.
    pub signal: Option<String>,
    /// Who sent that signal, as far as it is known.
    pub sender_pid: Option<i32>,
    /// The sender's user.
    pub sender_uid: Option<u32>,
    /// The sender's command name.
    pub sender_command: Option<String>,
    /// Class and message of the fatal error, or of the last exception.
    pub error: Option<String>,
    /// Where that happened.
    pub file: Option<String>,
    /// Where that happened.
    pub line: Option<u32>,
    /// How long it ran, in seconds.
    pub ran: f64,
    /// When it ended, Unix time in seconds.
    pub at: f64,
    /// The last lines that it wrote, at most 20.
    pub log: Vec<String>,
}

/// A method that a worker offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    /// What clients call.
    pub name: String,
    /// For `daemon.methods`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether running it twice does no harm.
    #[serde(default)]
    pub idempotent: bool,
}

/// What a worker serves from now on; the payload of a `Ready` frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// All of its methods, in the order of `expose()`.
    pub methods: Vec<Method>,
    /// It runs a loop of its own and has not entered `run()` or `tick()`: it reads no requests.
    #[serde(default)]
    pub own_loop: bool,
    /// It has said `busy()`, and may be busy without a request between two `tick()`s.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub jobs: bool,
    /// How many requests it may have deferred at one time; 0 and 1: it answers each before the next.
    #[serde(default, skip_serializing_if = "is_one_at_a_time")]
    pub concurrency: u32,
    /// One sentence: why it cannot be told whether this worker hangs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind: Option<String>,
}

fn is_one_at_a_time(concurrency: &u32) -> bool {
    *concurrency <= 1
}

/// A value that is to be a worker's own; the payload of a `Bind` frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bind {
    /// What requests carry.
    pub value: String,
    /// How long it lives without a request that carries it, in seconds; `None`: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<f64>,
}

/// A stop signal that has arrived at a worker; the payload of a `Signalled` frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signalled {
    /// `SIGTERM`
    pub signal: String,
    /// Who sent it; `None`: the kernel.
    pub pid: Option<i32>,
    /// The sender's user.
    pub uid: Option<u32>,
    /// The sender's command name; `None`: it had ended before anybody looked.
    pub command: Option<String>,
}

/// The stop signals that a worker's script handles itself, ignores, or has given their default effect; the payload of a
/// `Taken` frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Taken {
    /// `SIGTERM` and so on.
    pub signals: Vec<String>,
}

/// Why a request failed; the payload of a `Reply` frame with [`FAULT`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// One word: a snake_case cause of ours, or a PHP exception's short class name.
    pub class: String,
    /// One sentence.
    pub message: String,
}

/// Flags of a `Reply` whose payload is the result as JSON.
pub const DATA: u16 = 0;
/// Flags of a `Reply` whose payload is a [`Fault`] as JSON.
pub const FAULT: u16 = 1;

/// The JSON of a payload.
#[must_use]
pub fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default() // only maps with non-string keys fail; ours are structs
}

/// Reads the JSON of a payload.
///
/// # Errors
/// [`LinkError::Malformed`].
pub fn from_json<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, LinkError> {
    serde_json::from_slice(bytes).map_err(|_| LinkError::Malformed("its JSON does not fit its kind"))
}

/// The flags of a `Request` frame: its dialect in the lower byte, and one more than the number of its claim, if it has
/// one, in the upper. Without a claim, before [`CLAIMS_VERSION`], JSON-RPC is not known: there it is TYPED, whose data is
/// encoded in the same way.
#[must_use]
pub fn request_flags(dialect: Dialect, claim: Option<u8>) -> u16 {
    match (dialect, claim) {
        (Dialect::JsonRpc, None) => Dialect::Typed as u16,
        (dialect, None) => dialect as u16,
        (dialect, Some(claim)) => dialect as u16 | (u16::from(claim) + 1) << 8,
    }
}

/// The number of the claim in a `Request` frame's flags.
#[must_use]
pub fn claim_of(flags: u16) -> Option<u8> {
    u8::try_from((flags >> 8).checked_sub(1)?).ok()
}

/// In a `Request` frame's flags: a [`Caller`] stands between method and arguments.
const HAS_CALLER: u16 = 0x80;

/// What a request is besides its arguments. In the payload, in this order: the length of the method (4), the method, and
/// with `HAS_CALLER` the caller: the length of the id (4), the id, pid (4), uid (4), deadline (8).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head<'a> {
    /// What is called.
    pub method: &'a str,
    /// Who calls. Only for a link of [`SESSIONS_VERSION`] or later.
    pub caller: Option<Caller<'a>>,
}

/// Who calls, and how long it waits.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Caller<'a> {
    /// The request's id as raw JSON; empty: it has none.
    pub id: &'a str,
    /// The process at the other end of the connection when it was made; 0: none is known.
    pub pid: i32,
    /// That process' user; `u32::MAX`: none is known.
    pub uid: u32,
    /// When it gives up: Unix time in seconds.
    pub deadline: f64,
}

/// Appends a `Request` frame. `claim`: only for a link of [`CLAIMS_VERSION`] or later.
///
/// # Errors
/// [`LinkError::TooLong`].
pub fn encode_request(
    out: &mut Vec<u8>,
    sequence: u64,
    dialect: Dialect,
    claim: Option<u8>,
    head: Head<'_>,
    args: &[u8],
) -> Result<(), LinkError> {
    let length = |text: &str| u32::try_from(text.len()).map_err(|_| LinkError::TooLong(text.len()));
    let method = length(head.method)?.to_le_bytes();
    let flags = request_flags(dialect, claim);
    let Some(caller) = head.caller else {
        return encode(out, Kind::Request, flags, sequence, &[&method, head.method.as_bytes(), args]);
    };
    let id = length(caller.id)?.to_le_bytes();
    let (pid, uid) = (caller.pid.to_le_bytes(), caller.uid.to_le_bytes());
    let deadline = caller.deadline.to_le_bytes();
    let parts: [&[u8]; 8] =
        [&method, head.method.as_bytes(), &id, caller.id.as_bytes(), &pid, &uid, &deadline, args];
    encode(out, Kind::Request, flags | HAS_CALLER, sequence, &parts)
}

/// Splits the payload of a `Request` frame into its head and raw JSON arguments.
///
/// # Errors
/// [`LinkError::Malformed`].
pub fn parse_request(flags: u16, payload: &[u8]) -> Result<(Head<'_>, &[u8]), LinkError> {
    let head = |payload| {
        let (method, mut rest) = text(payload)?;
        let mut caller = None;
        if flags & HAS_CALLER != 0 {
            let (id, after_id) = text(rest)?;
            let (pid, after_pid) = after_id.split_first_chunk()?;
            let (uid, after_uid) = after_pid.split_first_chunk()?;
            let (deadline, args) = after_uid.split_first_chunk()?;
            let (pid, uid) = (i32::from_le_bytes(*pid), u32::from_le_bytes(*uid));
            caller = Some(Caller { id, pid, uid, deadline: f64::from_le_bytes(*deadline) });
            rest = args;
        }
        Some((Head { method, caller }, rest))
    };
    head(payload).ok_or(LinkError::Malformed("a request without its head"))
}

/// The name of a message, of which these are the raw arguments.
///
/// # Errors
/// [`LinkError::Malformed`].
pub fn message_name(args: &[u8]) -> Result<String, LinkError> {
    let inside = args.trim_ascii_start().strip_prefix(b"[");
    let mut values = serde_json::Deserializer::from_slice(inside.unwrap_or_default()).into_iter::<String>();
    values.next().and_then(Result::ok).ok_or(LinkError::Malformed("a message without a name"))
}

/// A text behind its length (4), and what follows.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

/// The worker's ends of a link.
#[derive(Debug)]
pub struct Ends {
    /// Frames from the sidecar are read here.
    pub input: OwnedFd,
    /// Frames to the sidecar are written here.
    pub output: OwnedFd,
    /// The slot page, a sealed memfd.
    pub slot: OwnedFd,
    /// What holds the worker's slot as long as it is open, if the sidecar keeps such locks.
    pub life: Option<OwnedFd>,
}

impl Ends {
    const NAMES: [&str; 4] = ["in", "out", "slot", "life"];

    /// In the order of the variable.
    pub fn all(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let needed = [self.input.as_fd(), self.output.as_fd(), self.slot.as_fd()];
        needed.into_iter().chain(self.life.as_ref().map(AsFd::as_fd))
    }

    /// The value of [`LINK_VARIABLE`]: `in=FD:INODE,out=FD:INODE,slot=FD:INODE`, with a life lock `,life=FD:INODE`.
    /// `numbers` are those under which the program that reads it has them, in the order of [`Self::all`].
    ///
    /// # Errors
    /// What fstat(2) says.
    pub fn variable(&self, numbers: impl Iterator<Item = RawFd>) -> io::Result<String> {
        let mut pairs = Vec::new();
        for ((name, fd), number) in Self::NAMES.iter().zip(self.all()).zip(numbers) {
            pairs.push(format!("{name}={number}:{}", sys::inode(fd)?));
        }
        Ok(pairs.join(","))
    }

    /// Takes the ends that [`LINK_VARIABLE`] names and makes them close-on-exec. Names that a later sidecar may
    /// add are passed over.
    ///
    /// # Errors
    /// One sentence: what is wrong with the variable or with a descriptor. Nothing is closed then, because what
    /// stands at that number may be somebody else's.
    ///
    /// # Safety
    /// The caller takes ownership of the descriptors that the variable names: call it once per process.
    pub unsafe fn from_variable(value: &str) -> Result<Self, String> {
        let mut found = [None; Self::NAMES.len()];
        for pair in value.split(',') {
            let (name, rest) =
                pair.split_once('=').ok_or_else(|| format!("\"{pair}\" is not NAME=FD:INODE"))?;
            let Some(at) = Self::NAMES.iter().position(|known| *known == name) else { continue };
            let numbers = rest.split_once(':').and_then(|(fd, inode)| {
                Some((fd.parse::<RawFd>().ok().filter(|fd| *fd > 2)?, inode.parse::<u64>().ok()?))
            });
            let (fd, inode) = numbers.ok_or_else(|| format!("\"{pair}\" is not NAME=FD:INODE"))?;
            // SAFETY: only asked for its inode; a number that is not open gives EBADF.
            let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
            match sys::inode(borrowed) {
                Err(_) => return Err(format!("descriptor {fd} ({name}) is closed")),
                Ok(other) if other != inode => {
                    return Err(format!("descriptor {fd} ({name}) is something else now"));
                }
                Ok(_) => {}
            }
            if found.contains(&Some(fd)) {
                return Err(format!("descriptor {fd} is named twice"));
            }
            if let Some(place) = found.get_mut(at) {
                *place = Some(fd);
            }
        }
        let [Some(input), Some(output), Some(slot), life] = found else {
            return Err("it must name in, out, slot".into());
        };
        // SAFETY: open, checked by inode to be what the sidecar made for us, and ours by this function's contract.
        let ends = unsafe {
            Self {
                input: OwnedFd::from_raw_fd(input),
                output: OwnedFd::from_raw_fd(output),
                slot: OwnedFd::from_raw_fd(slot),
                life: life.map(|life| OwnedFd::from_raw_fd(life)),
            }
        };
        for fd in ends.all() {
            sys::set_close_on_exec(fd, true).map_err(|error| error.to_string())?;
        }
        Ok(ends)
    }
}

#[cfg(test)]
mod tests;
