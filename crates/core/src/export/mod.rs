//! Traced functions in files.
//!
//! A file holds one or more traces of a function, for inputs of different types, with the
//! constants that the function brings along.

mod format;

use crate::array::{Array, Role};
use crate::compile::shapeless;
use crate::graph::{Graph, simplify};
use mlx_oxide_ir::{ArrayType, Error, Op, Result, Source};
use std::fmt::Write;
use std::path::Path;

/// How a function is called: so many inputs by position, then those with names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signature {
    /// Number of positional inputs.
    pub positional: usize,
    /// Names of the further inputs, sorted.
    pub keywords: Vec<String>,
}

/// One trace of an exported function.
#[derive(Clone)]
pub struct ExportedTrace {
    /// How it is called.
    pub signature: Signature,
    /// Whether it serves inputs of other sizes, too.
    pub shapeless: bool,
    /// What it computes.
    pub graph: Graph,
}

/// A function as traces for different inputs.
///
/// ```
/// use mlx_oxide_core::{Array, export::{Exported, Signature}, graph::Graph, ops};
/// let x = Array::from_slice(&[1.0f32, 2.0], [2])?;
/// let graph = Graph::trace(|x| Ok(vec![ops::exp(&x[0])?]), &[x.array_type().clone()])?;
/// let mut exported = Exported::default();
/// exported.add(Signature { positional: 1, keywords: vec![] }, graph, false)?;
/// let restored = Exported::from_bytes(&exported.to_bytes()?)?;
/// let outputs = restored.call(&Signature { positional: 1, keywords: vec![] }, &[x])?;
/// assert_eq!(outputs[0].shape().to_vec(), [2]);
/// # Ok::<(), mlx_oxide_core::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Exported {
    /// Text that goes with the function.
    pub metadata: Option<String>,
    traces: Vec<ExportedTrace>,
}

impl Exported {
    /// A function without traces yet.
    pub fn new(metadata: Option<String>) -> Self {
        Exported {
            metadata,
            traces: Vec::new(),
        }
    }

    /// Adds a trace.
    ///
    /// # Errors
    /// A second trace for the same inputs; operations whose behaviour is the caller's own code; a
    /// shapeless trace of operations that hold sizes; constants that a transform under way
    /// follows.
    pub fn add(&mut self, signature: Signature, graph: Graph, shapeless: bool) -> Result<()> {
        let graph = simplify::simplify_for_values(graph);
        graph.steps.iter().try_for_each(|step| match &step.rules {
            Some(rules) if rules.role() == Role::Computation => Err(invalid(
                "function",
                format!("one with {}", step.op.name()),
                "a function without loops, branches and operations of its own",
            )),
            _ => Ok(()),
        })?;
        if graph.followed_constants().next().is_some() {
            return Err(invalid(
                "function",
                "one that depends on arrays inside a transform".to_owned(),
                "a function of its inputs and of constants",
            ));
        }
        if shapeless && !shapeless::holds_no_sizes(&graph) {
            return Err(invalid(
                "shapeless",
                "true for a function that depends on sizes".to_owned(),
                "false, or a function of elementwise operations alone; export one trace for each \
                 size with an exporter",
            ));
        }
        let trace = ExportedTrace {
            signature,
            shapeless,
            graph,
        };
        let same = |other: &ExportedTrace| {
            other.signature == trace.signature && other.takes(&trace.graph.inputs)
        };
        if self.traces.iter().any(same) {
            return Err(Error::ExportedFunction {
                op: "export_function",
                reason: "the function was exported for such inputs already".to_owned(),
            });
        }
        self.traces.push(trace);
        Ok(())
    }

    /// The traces.
    pub fn traces(&self) -> &[ExportedTrace] {
        &self.traces
    }

    /// The outputs for inputs: positional ones, then those with names in the order of the names.
    ///
    /// # Errors
    /// No trace for such inputs.
    pub fn call(&self, signature: &Signature, inputs: &[Array]) -> Result<Vec<Array>> {
        let types: Vec<ArrayType> = inputs
            .iter()
            .map(|input| input.array_type().clone())
            .collect();
        let fitting = |trace: &&ExportedTrace| trace.signature == *signature && trace.takes(&types);
        let Some(trace) = self.traces.iter().find(fitting) else {
            return Err(self.no_trace(signature, &types));
        };
        if trace.graph.inputs == types {
            return trace.graph.replay(inputs);
        }
        shapeless::resize(&trace.graph, &types)?.replay(inputs)
    }

    fn no_trace(&self, signature: &Signature, types: &[ArrayType]) -> Error {
        let mut expected = String::new();
        for trace in &self.traces {
            // writing to a string does not fail
            let _ = write!(
                expected,
                "\n  {}",
                describe(&trace.signature, &trace.graph.inputs)
            );
        }
        Error::NoExportedTrace {
            found: describe(signature, types),
            expected,
        }
    }

    /// The file's content.
    ///
    /// # Errors
    /// A constant that cannot be computed.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        format::encode(self)
    }

    /// The function in a file's content.
    ///
    /// # Errors
    /// Content that is cut off, damaged, of another version or inconsistent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        format::decode(bytes)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// Those of [`to_bytes`](Exported::to_bytes) and of the file system.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        std::fs::write(path, self.to_bytes()?).map_err(|error| Error::ExportedFunction {
            op: "export_function",
            reason: format!("cannot write {}: {error}", path.display()),
        })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// Those of [`from_bytes`](Exported::from_bytes) and of the file system.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::ExportedFunction {
            op: "import_function",
            reason: format!("cannot read {}: {error}", path.display()),
        })?;
        Self::from_bytes(&bytes)
    }
}

impl ExportedTrace {
    fn takes(&self, types: &[ArrayType]) -> bool {
        let fits = |(found, expected): (&ArrayType, &ArrayType)| match self.shapeless {
            true => found.dtype == expected.dtype && found.shape.ndim() == expected.shape.ndim(),
            false => found == expected,
        };
        types.len() == self.graph.inputs.len() && types.iter().zip(&self.graph.inputs).all(fits)
    }
}

/// Whether an operation may stand in a file: one whose meaning is all data.
fn is_portable(op: &Op) -> bool {
    !matches!(
        op,
        Op::Custom(_) | Op::Fused(_) | Op::Source(Source::Placeholder(_))
    )
}

fn describe(signature: &Signature, types: &[ArrayType]) -> String {
    let mut parts = Vec::with_capacity(types.len());
    for (position, array_type) in types.iter().enumerate() {
        let name = position
            .checked_sub(signature.positional)
            .and_then(|keyword| signature.keywords.get(keyword));
        let typed = format!("{} {}", array_type.dtype, array_type.shape);
        parts.push(match name {
            Some(name) => format!("{name}: {typed}"),
            None => typed,
        });
    }
    format!("[{}]", parts.join(", "))
}

fn invalid(argument: &'static str, value: String, expected: &'static str) -> Error {
    Error::InvalidArgument {
        op: "export_function",
        argument,
        value,
        expected,
    }
}
