//! The frame of a kernel: parameters, bindings, workgroup memory, the entry point.

use super::access;
use super::library;
use super::register::Register;
use crate::dispatch::GRID_WIDTH;
use mlx_oxide_ir::Dtype;
use std::fmt::Write;

/// Who writes the words of an output whose elements are narrower than a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ownership {
    /// One invocation writes whole words.
    Words,
    /// Invocations write single elements; narrow ones by atomic operations on the word.
    Elements,
}

/// A kernel's text in the making.
///
/// Binding 0 is a block of `u32` parameters, then come inputs, then outputs, in the order in
/// which they were added. Input `n` is read by `load_input{n}(place)`, output `n` written by
/// `store_output{n}(place, value)`, places counted in elements.
pub(crate) struct KernelText {
    workgroup: u32,
    parameters: Vec<String>,
    globals: String,
    inputs: usize,
    outputs: usize,
    body: String,
}

impl KernelText {
    /// A kernel with so many invocations in a workgroup.
    pub(crate) fn new(workgroup: u32) -> Self {
        KernelText {
            workgroup,
            parameters: Vec::new(),
            globals: String::new(),
            inputs: 0,
            outputs: 0,
            body: String::new(),
        }
    }

    /// Adds a parameter and returns how it is read. Parameters are given in the order added.
    pub(crate) fn parameter(&mut self, name: impl Into<String>) -> String {
        let name = name.into();
        let read = format!("parameters.{name}");
        self.parameters.push(name);
        read
    }

    /// Adds several parameters.
    pub(crate) fn parameters(&mut self, names: &[&str]) {
        for name in names {
            self.parameter(*name);
        }
    }

    /// Adds an input and returns its number.
    pub(crate) fn input(&mut self, dtype: Dtype) -> usize {
        let number = self.inputs;
        debug_assert_eq!(self.outputs, 0, "inputs come before outputs");
        let name = format!("input{number}");
        self.declare(&name, "read", access::element_type(dtype));
        let register = Register::of(dtype).name();
        let load = access::load(&name, dtype);
        self.global(&format!(
            "fn load_{name}(place: u32) -> {register} {{ return {load}; }}"
        ));
        self.inputs += 1;
        number
    }

    /// Adds an output and returns its number.
    pub(crate) fn output(&mut self, dtype: Dtype, ownership: Ownership) -> usize {
        let number = self.outputs;
        let name = format!("output{number}");
        let packed = dtype.size() < 4;
        if packed && ownership == Ownership::Elements {
            self.declare(&name, "read_write", "atomic<u32>");
        } else {
            self.declare(&name, "read_write", access::element_type(dtype));
        }
        if !packed || ownership == Ownership::Elements {
            let register = Register::of(dtype).name();
            let store = access::store(&name, dtype);
            self.global(&format!(
                "fn store_{name}(place: u32, value: {register}) {{ {store} }}"
            ));
        }
        self.outputs += 1;
        number
    }

    /// Adds an output of atomic words and returns its name.
    pub(crate) fn atomic_output(&mut self) -> String {
        let name = format!("output{}", self.outputs);
        self.declare(&name, "read_write", "atomic<u32>");
        self.outputs += 1;
        name
    }

    fn declare(&mut self, name: &str, access: &str, element: &str) {
        let binding = 1 + self.inputs + self.outputs;
        self.global(&format!(
            "@group(0) @binding({binding}) var<storage, {access}> {name}: array<{element}>;"
        ));
    }

    /// Adds memory that a workgroup shares.
    pub(crate) fn shared(&mut self, name: &str, element: &str, count: u32) {
        self.global(&format!(
            "var<workgroup> {name}: array<{element}, {count}>;"
        ));
    }

    /// Adds a declaration outside of the entry point.
    pub(crate) fn global(&mut self, text: &str) {
        self.globals.push_str(text);
        self.globals.push('\n');
    }

    /// Adds statements to the entry point, where `group` is the workgroup's number, `local` the
    /// invocation's in it and `thread` the invocation's of all.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) {
        for line in text.as_ref().lines() {
            self.body.push_str("    ");
            self.body.push_str(line);
            self.body.push('\n');
        }
    }

    /// Makes the kernel return where nothing is to be done for `condition`. Never before a
    /// barrier.
    pub(crate) fn leave_if(&mut self, condition: &str) {
        self.line(format!("if ({condition}) {{ return; }}"));
    }

    /// How many inputs and outputs there are.
    pub(crate) fn binding_counts(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    /// The text.
    pub(crate) fn finish(mut self) -> String {
        // the recorder fills up blocks of parameters with zeros
        self.parameter("zero");
        let mut text = String::from("struct Parameters {\n");
        for parameter in &self.parameters {
            // writing to a string cannot fail
            let _ = writeln!(text, "    {parameter}: u32,");
        }
        text.push_str("}\n@group(0) @binding(0) var<uniform> parameters: Parameters;\n");
        text.push_str(&self.globals);
        let _ = write!(
            text,
            "@compute @workgroup_size({workgroup})\n\
             fn main(@builtin(workgroup_id) group_id: vec3<u32>, \
             @builtin(local_invocation_index) local: u32) {{\n    \
             let group = group_id.x + group_id.y * {GRID_WIDTH}u;\n    \
             let thread = group * {workgroup}u + local;\n{body}}}\n",
            workgroup = self.workgroup,
            body = self.body,
        );
        let library = library::called_by(&text);
        text.push_str(&library);
        text
    }
}
