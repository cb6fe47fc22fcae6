//! Pictures of graphs in the language of Graphviz.

use super::{Graph, Value};
use std::fmt::Write;

/// A directed graph: boxes are operations, ellipses arrays. `names[i]` labels output `i`, where it
/// is not empty.
pub fn dot(graph: &Graph, names: &[String]) -> String {
    let mut text = String::from("digraph {\n");
    for (position, array_type) in graph.inputs.iter().enumerate() {
        line(
            &mut text,
            format_args!(
                "  input{position} [label=\"input {position}\\n{} {}\" shape=ellipse];",
                array_type.dtype, array_type.shape
            ),
        );
    }
    for (position, constant) in graph.constants.iter().enumerate() {
        line(
            &mut text,
            format_args!(
                "  constant{position} [label=\"constant\\n{} {}\" shape=ellipse style=dashed];",
                constant.dtype(),
                constant.shape()
            ),
        );
    }
    for (position, step) in graph.steps.iter().enumerate() {
        line(
            &mut text,
            format_args!("  step{position} [label=\"{}\" shape=box];", step.op.name()),
        );
        for input in &step.inputs {
            line(
                &mut text,
                format_args!("  {} -> step{position};", name(*input)),
            );
        }
    }
    for (position, output) in graph.outputs.iter().enumerate() {
        let array_type = graph.array_type(*output);
        let label = match names.get(position) {
            Some(name) if !name.is_empty() => escape(name),
            _ => format!("output {position}"),
        };
        line(
            &mut text,
            format_args!(
                "  output{position} [label=\"{label}\\n{} {}\" shape=ellipse];",
                array_type.dtype, array_type.shape
            ),
        );
        line(
            &mut text,
            format_args!("  {} -> output{position};", name(*output)),
        );
    }
    text.push_str("}\n");
    text
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    // writing to a string does not fail
    let _ = writeln!(text, "{content}");
}

fn name(value: Value) -> String {
    match value {
        Value::Input(input) => format!("input{input}"),
        Value::Constant(constant) => format!("constant{constant}"),
        Value::Result { step, .. } => format!("step{step}"),
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"")
}
