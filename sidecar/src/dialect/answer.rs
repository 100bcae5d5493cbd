//! Answers to lines.

use rustdaemon_core::link::Dialect;

use super::{Address, Cause, Delivery};

/// Appends an answer with data, newline included. `data` is JSON in the address's dialect already.
pub fn write_data(out: &mut Vec<u8>, address: &Address, data: &[u8]) {
    write_data_by(out, address, |out| out.extend_from_slice(data));
}

/// The same where the data is appended by `write`.
pub fn write_data_by(out: &mut Vec<u8>, address: &Address, write: impl FnOnce(&mut Vec<u8>)) {
    let id = address.id.as_bytes();
    let (head, tail): ([&[u8]; 3], [&[u8]; 3]) = match (address.delivery, address.dialect) {
        (Delivery::Nowhere, _) => return,
        (_, Dialect::Flat) => ([br#"{"success":true,"data":"#, b"", b""], [b"}\n", b"", b""]),
        (_, Dialect::Typed) => ([br#"{"id":"#, id, br#","t":"res","ok":true,"data":"#], [b"}\n", b"", b""]),
        (_, Dialect::JsonRpc) => ([br#"{"jsonrpc":"2.0","result":"#, b"", b""], [br#","id":"#, id, b"}\n"]),
    };
    head.iter().for_each(|part| out.extend_from_slice(part));
    write(out);
    tail.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends what a request goes on telling after its answer, newline included. FLAT has no such frame.
pub fn write_event(out: &mut Vec<u8>, address: &Address, data: &[u8]) {
    let head = match address.dialect {
        Dialect::JsonRpc => {
            format!("{{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{{\"id\":{},\"data\":", address.id)
        }
        Dialect::Flat | Dialect::Typed => format!("{{\"id\":{},\"t\":\"evt\",\"data\":", address.id),
    };
    let tail: &[u8] = if address.dialect == Dialect::JsonRpc { b"}}\n" } else { b"}\n" };
    out.extend_from_slice(head.as_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(tail);
}

/// Appends an answer that says why there is no data, newline included.
pub fn write_fault(out: &mut Vec<u8>, address: &Address, cause: &Cause) {
    if address.delivery == Delivery::Nowhere {
        return;
    }
    let fault = cause.fault(address.dialect);
    let (class, message) = (escaped(&fault.class, address.dialect), escaped(&fault.message, address.dialect));
    let id = &address.id;
    let text = match address.dialect {
        Dialect::Flat => {
            format!("{{\"success\":false,\"error\":{{\"type\":{class},\"message\":{message}}}}}\n")
        }
        Dialect::Typed => format!(
            "{{\"id\":{id},\"t\":\"res\",\"ok\":false,\"error\":{{\"class\":{class},\"message\":{message}}}}}\n"
        ),
        Dialect::JsonRpc => {
            let (code, words) = cause.code();
            let (message, data) = match words {
                Some(words) => {
                    (format!("\"{words}\""), format!("{{\"type\":{class},\"message\":{message}}}"))
                }
                None => (message, format!("{{\"type\":{class}}}")),
            };
            format!(
                "{{\"jsonrpc\":\"2.0\",\"error\":{{\"code\":{code},\"message\":{message},\"data\":{data}}},\"id\":{id}}}\n"
            )
        }
    };
    out.extend_from_slice(text.as_bytes());
}

/// `text` as a JSON string in quotes: FLAT as PHP's `json_encode` writes it by default, the others as it is.
fn escaped(text: &str, dialect: Dialect) -> String {
    let plain = serde_json::Value::from(text).to_string();
    if dialect != Dialect::Flat {
        return plain;
    }
    let mut out = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '/' => out.push_str("\\/"),
            ' '..='\x7f' => out.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out
}
