//! What a model is: a tree of named parameters.

use mlx_oxide_core::Array;
use mlx_oxide_ir::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;

/// The place of a parameter in a model, written `layers.0.weight`.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    outer: Option<&'a Path<'a>>,
    part: Part<'a>,
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Root,
    Field(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The model itself.
    pub const ROOT: Path<'static> = Path {
        outer: None,
        part: Part::Root,
    };

    /// A field of what is here.
    pub fn field(&'a self, name: &'a str) -> Path<'a> {
        Path {
            outer: Some(self),
            part: Part::Field(name),
        }
    }

    /// An element of what is here.
    pub fn index(&'a self, index: usize) -> Path<'a> {
        Path {
            outer: Some(self),
            part: Part::Index(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(formatter)?;
            if !matches!(outer.part, Part::Root) {
                formatter.write_str(".")?;
            }
        }
        match self.part {
            Part::Root => Ok(()),
            Part::Field(name) => formatter.write_str(name),
            Part::Index(index) => write!(formatter, "{index}"),
        }
    }
}

/// Whether a parameter is trained or only kept with the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Gradients are taken of it.
    Trained,
    /// Statistics and the like.
    Kept,
}

/// Sees every parameter.
pub trait Visitor {
    /// One parameter.
    fn parameter(&mut self, path: &Path<'_>, array: &Array, role: Role);
}

/// Sees and may replace every parameter.
pub trait VisitorMut {
    /// One parameter.
    fn parameter(&mut self, path: &Path<'_>, array: &mut Array, role: Role);
}

impl<F: FnMut(&Path<'_>, &Array, Role)> Visitor for F {
    fn parameter(&mut self, path: &Path<'_>, array: &Array, role: Role) {
        self(path, array, role);
    }
}

impl<F: FnMut(&Path<'_>, &mut Array, Role)> VisitorMut for F {
    fn parameter(&mut self, path: &Path<'_>, array: &mut Array, role: Role) {
        self(path, array, role);
    }
}

/// A tree of named parameters. Derive it: arrays, options, vectors, pairs and numbers as fields
/// have it too.
pub trait Module {
    /// Shows every parameter below `path`.
    fn visit(&self, path: &Path<'_>, visitor: &mut dyn Visitor);

    /// Shows every parameter below `path` for replacement.
    fn visit_mut(&mut self, path: &Path<'_>, visitor: &mut dyn VisitorMut);

    /// Chooses between training and evaluation, for layers that differ.
    fn set_training(&mut self, _training: bool) {}
}

impl Module for Array {
    fn visit(&self, path: &Path<'_>, visitor: &mut dyn Visitor) {
        visitor.parameter(path, self, Role::Trained);
    }

    fn visit_mut(&mut self, path: &Path<'_>, visitor: &mut dyn VisitorMut) {
        visitor.parameter(path, self, Role::Trained);
    }
}

/// An array that belongs to a model but is not trained.
#[derive(Clone)]
pub struct Kept(pub Array);

impl Module for Kept {
    fn visit(&self, path: &Path<'_>, visitor: &mut dyn Visitor) {
        visitor.parameter(path, &self.0, Role::Kept);
    }

    fn visit_mut(&mut self, path: &Path<'_>, visitor: &mut dyn VisitorMut) {
        visitor.parameter(path, &mut self.0, Role::Kept);
    }
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, path: &Path<'_>, visitor: &mut dyn Visitor) {
        if let Some(module) = self {
            module.visit(path, visitor);
        }
    }

    fn visit_mut(&mut self, path: &Path<'_>, visitor: &mut dyn VisitorMut) {
        if let Some(module) = self {
            module.visit_mut(path, visitor);
        }
    }

    fn set_training(&mut self, training: bool) {
        if let Some(module) = self {
            module.set_training(training);
        }
    }
}

impl<M: Module> Module for Vec<M> {
    fn visit(&self, path: &Path<'_>, visitor: &mut dyn Visitor) {
        for (index, module) in self.iter().enumerate() {
            module.visit(&path.index(index), visitor);
        }
    }

    fn visit_mut(&mut self, path: &Path<'_>, visitor: &mut dyn VisitorMut) {
        for (index, module) in self.iter_mut().enumerate() {
            module.visit_mut(&path.index(index), visitor);
        }
    }

    fn set_training(&mut self, training: bool) {
        self.iter_mut()
            .for_each(|module| module.set_training(training));
    }
}

macro_rules! without_parameters {
    ($($kind:ty),*) => {$(
        impl Module for $kind {
            fn visit(&self, _path: &Path<'_>, _visitor: &mut dyn Visitor) {}
            fn visit_mut(&mut self, _path: &Path<'_>, _visitor: &mut dyn VisitorMut) {}
        }
    )*};
}
without_parameters!(
    bool,
    usize,
    i64,
    f32,
    f64,
    (usize, usize),
    (usize, usize, usize),
    String
);

/// What every model can do.
pub trait ModuleExt: Module {
    /// All parameters by path.
    fn parameters(&self) -> BTreeMap<String, Array> {
        let mut found = BTreeMap::new();
        self.visit(
            &Path::ROOT,
            &mut |path: &Path<'_>, array: &Array, _role: Role| {
                found.insert(path.to_string(), array.clone());
            },
        );
        found
    }

    /// The trained parameters by path.
    fn trainable_parameters(&self) -> BTreeMap<String, Array> {
        let mut found = BTreeMap::new();
        self.visit(
            &Path::ROOT,
            &mut |path: &Path<'_>, array: &Array, role: Role| {
                if role == Role::Trained {
                    found.insert(path.to_string(), array.clone());
                }
            },
        );
        found
    }

    /// Replaces the parameters that are named; others stay.
    fn update(&mut self, parameters: &BTreeMap<String, Array>) {
        self.visit_mut(
            &Path::ROOT,
            &mut |path: &Path<'_>, array: &mut Array, _role: Role| {
                if let Some(new) = parameters.get(&path.to_string()) {
                    *array = new.clone();
                }
            },
        );
    }

    /// Replaces all parameters.
    ///
    /// # Errors
    /// A parameter that is missing, too many, or of another shape.
    fn load_weights(&mut self, weights: &BTreeMap<String, Array>) -> Result<()> {
        let own = self.parameters();
        let invalid = |value: String, expected| Error::InvalidArgument {
            op: "load_weights",
            argument: "weights",
            value,
            expected,
        };
        for (name, array) in &own {
            match weights.get(name) {
                None => return Err(invalid(format!("without {name}"), "every parameter")),
                Some(new) if new.shape() != array.shape() => {
                    let value = format!("{name} of shape {}, not {}", new.shape(), array.shape());
                    return Err(invalid(value, "the parameters' shapes"));
                }
                Some(_) => {}
            }
        }
        if let Some(name) = weights.keys().find(|name| !own.contains_key(*name)) {
            return Err(invalid(
                format!("with {name}"),
                "no others than the parameters",
            ));
        }
        self.update(weights);
        Ok(())
    }

    /// Prepares for training.
    fn train(&mut self) {
        self.set_training(true);
    }

    /// Prepares for use.
    fn evaluate(&mut self) {
        self.set_training(false);
    }
}

impl<M: Module + ?Sized> ModuleExt for M {}
