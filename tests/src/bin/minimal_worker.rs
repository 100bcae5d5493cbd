//! The least that a worker behind [`minimal_server`](minimal_server.rs) does, without PHP: `{"method":"echo","args":A}` on a
//! line of its standard input, `A` on a line of its standard output. `cargo xtask bench relay` puts it where the sidecar has
//! `fake_worker`. One write for all lines that one read gave. Ends at the end of its input.

use std::io::{self, Read, Write};

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Call<'a> {
    method: &'a str,
    #[serde(borrow)]
    args: &'a RawValue,
}

fn main() -> io::Result<()> {
    let (mut input, mut output) = (Vec::new(), Vec::new());
    let mut chunk = [0; 16 * 1024];
    loop {
        match io::stdin().read(&mut chunk)? {
            0 => return Ok(()),
            length => input.extend_from_slice(&chunk[..length]),
        }
        let mut start = 0;
        while let Some(length) = input[start..].iter().position(|byte| *byte == b'\n') {
            let call: Call<'_> = serde_json::from_slice(&input[start..start + length])?;
            let answer = if call.method == "echo" { call.args.get() } else { "null" };
            output.extend_from_slice(answer.as_bytes());
            output.push(b'\n');
            start += length + 1;
        }
        input.drain(..start);
        io::stdout().write_all(&output)?;
        io::stdout().flush()?;
        output.clear();
    }
}
