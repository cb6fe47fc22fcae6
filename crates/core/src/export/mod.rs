//! Traced functions in files.
//!
//! A file holds one or more traces of a function, for inputs of different types, with the
//! constants that the function brings along.

mod format;
mod read;
mod write;

use crate::array::{Array, CustomRules, Role};
use crate::compile::shapeless::{self, Program};
use crate::graph::{Graph, simplify};
use mlx_oxide_ir::{ArrayType, Error, Op, Result, Source};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

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
    /// What it computes.
    pub graph: Graph,
    /// The same for inputs that no transform follows.
    values: Graph,
    /// What it computes for inputs of other sizes, if it serves them.
    pub(crate) program: Option<Program>,
}

/// A function as traces for different inputs.
///
/// ```
/// use mlx_oxide_core::{Array, export::{Exported, Signature}, graph::Graph, ops};
/// let x = Array::from_slice(&[1.0f32, 2.0], [2])?;
/// let graph = Graph::trace(|x| Ok(vec![ops::exp(&x[0])?]), &[x.array_type().clone()])?;
/// let mut exported = Exported::default();
/// exported.add(Signature { positional: 1, keywords: vec![] }, graph)?;
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
    /// A second trace for the same inputs; operations whose behaviour is the caller's own code;
    /// constants that a transform under way follows.
    pub fn add(&mut self, signature: Signature, graph: Graph) -> Result<()> {
        let graph = simplify::simplify_for_files(graph);
        self.push(ExportedTrace {
            signature,
            values: simplify::simplify_for_values(graph.clone()),
            graph,
            program: None,
        })
    }

    /// Traces a function and adds the trace, which serves inputs of all sizes.
    ///
    /// Sizes that the function gives to operations itself stay. What it computes in Rust from
    /// [`Array::shape`] goes unnoticed and must say so by
    /// [`refuse`](crate::compile::shapeless::refuse).
    ///
    /// # Errors
    /// [`Error::HoldsSizes`] if something in the trace holds for the sizes of these inputs alone;
    /// else those of [`add`](Exported::add) and of the function.
    pub fn add_shapeless<F>(
        &mut self,
        signature: Signature,
        function: F,
        inputs: &[ArrayType],
    ) -> Result<()>
    where
        F: FnOnce(&[Array]) -> Result<Vec<Array>>,
    {
        let (graph, program) = shapeless::trace(function, inputs)?;
        let program = program.map_err(|operation| Error::HoldsSizes {
            op: "export_function",
            operation,
        })?;
        let graph = simplify::simplify_for_files(graph);
        self.push(ExportedTrace {
            signature,
            values: simplify::simplify_for_values(graph.clone()),
            graph,
            program: Some(program),
        })
    }

    fn push(&mut self, trace: ExportedTrace) -> Result<()> {
        if let Some(name) = foreign(&trace.graph) {
            return Err(invalid(
                "function",
                format!("one with {name}"),
                "a function without operations of the caller's own",
            ));
        }
        if trace.graph.followed_constants().next().is_some() {
            return Err(invalid(
                "function",
                "one that depends on arrays inside a transform".to_owned(),
                "a function of its inputs and of constants",
            ));
        }
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

    /// Adds the traces of another.
    ///
    /// # Errors
    /// A second trace for the same inputs.
    pub fn append(&mut self, other: Exported) -> Result<()> {
        other
            .traces
            .into_iter()
            .try_for_each(|trace| self.push(trace))
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
        match &trace.program {
            Some(program) if shapeless::is_recording() => program.run(inputs),
            Some(program) if trace.graph.inputs != types => {
                simplify::simplify(program.resize(&types)?).replay(inputs)
            }
            _ if inputs.iter().any(Array::is_traced) => trace.graph.replay(inputs),
            _ => trace.values.replay(inputs),
        }
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
        write::encode(self)
    }

    /// The function in a file's content.
    ///
    /// # Errors
    /// Content that is cut off, damaged, of another version or inconsistent.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        read::decode(bytes)
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
    /// Whether it serves inputs of other sizes, too.
    pub fn is_shapeless(&self) -> bool {
        self.program.is_some()
    }

    fn takes(&self, types: &[ArrayType]) -> bool {
        match &self.program {
            Some(program) => program.takes(types),
            None => types == self.graph.inputs,
        }
    }
}

/// An operation of the caller's own that computes something.
fn foreign(graph: &Graph) -> Option<&'static str> {
    let foreign = graph.steps.iter().find(|step| {
        let computes = |rules: &Arc<dyn CustomRules>| {
            rules.role() == Role::Computation && rules.control_flow().is_none()
        };
        step.rules.as_ref().is_some_and(computes)
    });
    foreign.map(|step| step.op.name())
}

/// Whether an operation may stand in a file: one whose meaning is all data.
fn is_portable(op: &Op) -> bool {
    !matches!(
        op,
        Op::Custom(_) | Op::Fused(_) | Op::FusedReduce(_) | Op::Source(Source::Placeholder(_))
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
