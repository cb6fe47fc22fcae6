//! Passes that make a graph smaller without changing a bit of its results.

mod dead;

/// All passes, in order.
pub fn simplify(graph: super::Graph) -> super::Graph {
    dead::remove(graph)
}
