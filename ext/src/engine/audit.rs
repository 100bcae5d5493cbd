//! What a fork would share or write twice, as far as PHP knows it: connections, and streams that keep data back.
//!
//! # What may be lost
//! A connection of a class that [`CONNECTIONS`] does not name, and what extensions keep outside of objects.
//! Sources: php-src main/php_streams.h, Zend/zend_list.c; the manuals of the extensions for the classes' names.

use std::ffi::{CStr, c_int};

use ext_php_rs::ffi;
use ext_php_rs::types::ZendStr;
use ext_php_rs::zend::ClassEntry;

use super::{globals, kept};

unsafe extern "C" {
    fn php_file_le_stream() -> c_int;
}

/// Classes whose objects are, or hold, a connection to a server or a database.
const CONNECTIONS: [&str; 19] = [
    "PDO",
    "mysqli",
    "PgSql\\Connection",
    "SQLite3",
    "Redis",
    "RedisCluster",
    "RedisSentinel",
    "Relay\\Relay",
    "Memcached",
    "Memcache",
    "MongoDB\\Driver\\Manager",
    "AMQPConnection",
    "RdKafka",
    "Grpc\\Channel",
    "CurlHandle",
    "CurlMultiHandle",
    "LDAP\\Connection",
    "FTP\\Connection",
    "IMAP\\Connection",
];

/// A connection of PHP's.
pub struct Connection {
    /// The object's class.
    pub class: String,
    /// `spl_object_id()` of it.
    pub object: u32,
}

/// A stream that has taken data which has not left it.
pub struct Unsent {
    /// `get_resource_id()` of it.
    pub resource: i64,
    /// Why: `ZLIB`, `zlib.deflate`.
    pub what: String,
}

/// The connections that are objects.
pub fn connections() -> Vec<Connection> {
    let connection = |handle| {
        let object = kept::object(handle)?;
        // SAFETY: a live object has a class.
        let class = unsafe { (*object).ce };
        is_connection(class).then(|| Connection { class: name(class), object: handle })
    };
    (1..kept::top()).filter_map(connection).collect()
}

fn is_connection(mut class: *const ClassEntry) -> bool {
    while !class.is_null() {
        // SAFETY: a class of the engine, linked: it has a name, and null or a parent.
        unsafe {
            let name = (*(*class).name).as_bytes();
            if CONNECTIONS.iter().any(|connection| connection.as_bytes() == name) {
                return true;
            }
            class = (*class).__bindgen_anon_1.parent;
        }
    }
    false
}

fn name(class: *const ClassEntry) -> String {
    // SAFETY: as above.
    unsafe { (*class).name.as_ref() }.map(text).unwrap_or_default()
}

/// An anonymous class has a NUL in its name, and behind it nothing for people.
fn text(name: &ZendStr) -> String {
    let name = name.as_bytes().split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

/// The streams that compress, or that a filter stands before: what it keeps back is written when they are closed.
pub fn unsent() -> Vec<Unsent> {
    // SAFETY: a table of resources that lives as long as the request; one of this type is a stream, unless it was closed.
    unsafe {
        let of_streams = php_file_le_stream();
        let list = &(*globals()).regular_list;
        let streams =
            list.values().map(|value| value.value.res).filter(|resource| (**resource).type_ == of_streams);
        streams
            .filter_map(|resource| {
                let stream = (*resource).ptr.cast::<ffi::php_stream>();
                let what = keeps_back(stream.as_ref()?)?;
                Some(Unsent { resource: (*resource).handle, what })
            })
            .collect()
    }
}

fn keeps_back(stream: &ffi::php_stream) -> Option<String> {
    // SAFETY: null, or static C strings.
    let label = |label: *const std::ffi::c_char| unsafe {
        (!label.is_null()).then(|| CStr::from_ptr(label).to_string_lossy().into_owned())
    };
    // SAFETY: a live stream's operations, and null or a live filter's.
    unsafe {
        if let Some(filter) = stream.writefilters.head.as_ref() {
            return label((*filter.fops).label);
        }
        let is_written = stream.mode.iter().any(|letter| b"wax+".contains(&letter.to_ne_bytes()[0]));
        label((*stream.ops).label).filter(|label| is_written && matches!(label.as_str(), "ZLIB" | "BZip2"))
    }
}
