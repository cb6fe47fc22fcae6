//! The file format, version 4. Files of version 2, which have no rules, and of version 3, which
//! have no scans, are read too.
//!
//! ```text
//! 8 bytes   "MLXOXFN\0"
//! u32       version
//! u32       CRC-32 of all that follows
//! u64       length of the header
//! header    `Header` in the encoding of postcard
//! blob      the constants' bytes, little-endian, at the offsets that the header names
//! ```
//! Numbers are little-endian. Functions inside functions (branches, bodies of loops) lie in one
//! flat list and refer to earlier ones only, so that reading needs no recursion.

use crate::compile::shapeless::What;
use crate::graph::Value;
use mlx_oxide_ir::{ArrayType, Op};
use serde::{Deserialize, Serialize};

pub(super) const MAGIC: &[u8; 8] = b"MLXOXFN\0";
pub(super) const VERSION: u32 = 4;
pub(super) const OLDEST_VERSION: u32 = 2;
pub(super) const PREFIX: usize = 24;
/// How deep functions may lie in functions; each level takes stack when it runs.
pub(super) const DEEPEST: u32 = 64;
/// How often rules are written of functions inside rules: a rule that calls its own function would
/// have no end.
pub(super) const MOST_DERIVATIVES: u32 = 2;

#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) metadata: Option<String>,
    pub(super) constants: Vec<Constant>,
    /// Functions for inputs of just their types, each after those that it refers to.
    pub(super) functions: Vec<Function>,
    pub(super) traces: Vec<Trace>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Constant {
    pub(super) array_type: ArrayType,
    /// Whether the one element in the blob is all elements.
    pub(super) uniform: bool,
    pub(super) offset: u64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Trace {
    pub(super) positional: u32,
    pub(super) keywords: Vec<String>,
    pub(super) body: Body,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Body {
    /// The function of that number.
    Sized(u32),
    /// A function for inputs of all sizes.
    Shapeless(SizelessFunction),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Function {
    pub(super) inputs: Vec<ArrayType>,
    /// For each constant of the steps its number in the file.
    pub(super) constants: Vec<u32>,
    pub(super) steps: Vec<Operation>,
    pub(super) outputs: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Operation {
    pub(super) kind: Kind,
    pub(super) inputs: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Kind {
    Op(Op),
    /// Of the operands after the condition: if false, if true.
    Cond([Part; 2]),
    While {
        condition: Part,
        body: Part,
    },
    /// The last inputs, so many, with derivatives of their own.
    Rules {
        outputs: u32,
        vjp: Rule,
        jvp: Rule,
    },
    /// Of carries and of slices, so many, then of operands that stay the same.
    Scan {
        body: Part,
        carried: u32,
        scanned: u32,
        length: u64,
        reverse: bool,
    },
}

/// A rule: a function, or why there is none.
#[derive(Serialize, Deserialize)]
pub(super) enum Rule {
    Function(u32),
    Missing(String),
}

/// A function of some of the operands.
#[derive(Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) function: u32,
    pub(super) operands: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SizelessFunction {
    pub(super) inputs: Vec<ArrayType>,
    pub(super) constants: Vec<u32>,
    pub(super) steps: Vec<SizelessOperation>,
    pub(super) outputs: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SizelessOperation {
    pub(super) what: What,
    pub(super) inputs: Vec<Value>,
}
