//! `cargo xtask generate` writes files that come from tables; with `--check` it fails where a
//! committed file is not what the tables give.

mod operations;
mod unsafe_code;

use std::path::Path;
use std::process::ExitCode;

/// Generated files and what they should hold.
fn files(root: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("docs/operations.md", operations::document()),
        ("docs/unsafe.md", unsafe_code::document(root)),
    ]
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let check = match words[..] {
        ["generate"] => false,
        ["generate", "--check"] => true,
        _ => {
            eprintln!("usage: cargo xtask generate [--check]");
            return ExitCode::from(2);
        }
    };
    // as it is now: a build cache may serve several checkouts
    let Some(manifest) = std::env::var_os("CARGO_MANIFEST_DIR") else {
        eprintln!("run it through cargo: `cargo xtask generate`");
        return ExitCode::from(2);
    };
    let root = Path::new(&manifest).join("..");
    let mut stale = false;
    for (name, content) in files(&root) {
        let path = root.join(name);
        let fresh = std::fs::read_to_string(&path).is_ok_and(|found| found == content);
        if fresh {
            continue;
        }
        if check {
            eprintln!("{name} is stale: run `cargo xtask generate`");
            stale = true;
        } else if let Err(error) = std::fs::write(&path, content) {
            eprintln!("{name}: {error}");
            stale = true;
        } else {
            println!("wrote {name}");
        }
    }
    if stale {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
