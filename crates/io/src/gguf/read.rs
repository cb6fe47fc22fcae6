//! Reading.

use super::kind::{Content, Kind, LIST, TEXT, metadata_dtype};
use super::{ALIGNMENT, ALIGNMENT_KEY, Contents, MAGIC, OP, Value, affine, blocks, malformed};
use crate::error::{Error, Result};
use crate::source::Source;
use mlx_oxide_core::{Array, ArrayType, Dtype};
use mlx_oxide_ir::Shape;
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek};

/// More axes than any writer makes.
const MOST_AXES: u32 = 8;

/// Arrays and metadata, from the bytes of a file.
///
/// # Errors
/// As [`read_from`].
pub fn read(bytes: &[u8]) -> Result<Contents> {
    read_from(Cursor::new(bytes))
}

/// Arrays and metadata of a file, read tensor by tensor.
///
/// # Errors
/// A malformed file; versions other than 2 and 3, little-endian; tensors of types that are not
/// supported; lists of lists in the metadata.
pub fn read_from(file: impl Read + Seek) -> Result<Contents> {
    let mut source = Source::new(OP, file)?;
    if source.exact("the magic")? != *MAGIC {
        return Err(malformed("no GGUF magic"));
    }
    version(&mut source)?;
    let tensors = u64::from_le_bytes(source.exact("the number of tensors")?);
    let entries = u64::from_le_bytes(source.exact("the number of metadata")?);
    let metadata = metadata(&mut source, entries)?;
    let tensors = descriptions(&mut source, tensors)?;
    let alignment = alignment(&metadata)?;
    let start = source
        .position()
        .checked_next_multiple_of(alignment)
        .ok_or_else(|| malformed("the tensors begin beyond any file"))?;
    check_sizes(&source, &tensors, start)?;
    let mut arrays = BTreeMap::new();
    for tensor in &tensors {
        for (name, array) in tensor.read(&mut source, start)? {
            if let Some((name, _)) = arrays.insert(name.clone(), array).map(|old| (name, old)) {
                return Err(malformed(format!("two arrays are called {name:?}")));
            }
        }
    }
    Ok(Contents { arrays, metadata })
}

fn version<R: Read + Seek>(source: &mut Source<R>) -> Result<()> {
    let version = u32::from_le_bytes(source.exact("the version")?);
    match version {
        2 | 3 => Ok(()),
        _ if [2, 3].contains(&version.swap_bytes()) => {
            Err(malformed("big-endian files are not supported"))
        }
        _ => Err(malformed(format!(
            "version {version}; versions 2 and 3 are supported"
        ))),
    }
}

fn number<R: Read + Seek>(source: &mut Source<R>, what: &str) -> Result<u32> {
    Ok(u32::from_le_bytes(source.exact(what)?))
}

fn text<R: Read + Seek>(source: &mut Source<R>, what: &str) -> Result<String> {
    let length = u64::from_le_bytes(source.exact("the length of a text")?);
    String::from_utf8(source.take(length, what)?)
        .map_err(|_| malformed(format!("{what} is no UTF-8")))
}

fn metadata<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Result<BTreeMap<String, Value>> {
    let mut metadata = BTreeMap::new();
    for _ in 0..count {
        let key = text(source, "a key")?;
        let kind = number(source, "the type of metadata")?;
        let value = value(source, kind, &key)?;
        if metadata.contains_key(&key) {
            return Err(malformed(format!("two metadata are called {key:?}")));
        }
        metadata.insert(key, value);
    }
    Ok(metadata)
}

fn value<R: Read + Seek>(source: &mut Source<R>, kind: u32, key: &str) -> Result<Value> {
    Ok(match kind {
        TEXT => Value::Text(text(source, "a text")?),
        LIST => {
            let kind = number(source, "the type of a list")?;
            let count = u64::from_le_bytes(source.exact("the length of a list")?);
            match kind {
                TEXT => Value::Texts(texts(source, count)?),
                kind => numbers(source, kind, Some(count), key)?,
            }
        }
        kind => numbers(source, kind, None, key)?,
    })
}

fn texts<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Result<Vec<String>> {
    // each has a length of 8 bytes
    if count > source.remaining() / 8 {
        return Err(malformed(format!(
            "a list of {count} texts in {} bytes",
            source.remaining()
        )));
    }
    (0..count).map(|_| text(source, "a text")).collect()
}

/// `count` numbers, or one.
fn numbers<R: Read + Seek>(
    source: &mut Source<R>,
    kind: u32,
    count: Option<u64>,
    key: &str,
) -> Result<Value> {
    let dtype = metadata_dtype(kind).ok_or_else(|| Error::Dtype {
        op: OP,
        found: match kind {
            LIST => format!("list in a list, in the metadata {key:?},"),
            kind => format!("{kind}, in the metadata {key:?},"),
        },
    })?;
    let shape = match count {
        Some(count) => Shape::from([as_size(count)?]),
        None => Shape::from([]),
    };
    Ok(Value::Array(source.array(ArrayType::new(shape, dtype))?))
}

fn as_size(count: u64) -> Result<usize> {
    usize::try_from(count).map_err(|_| malformed(format!("a size of {count}")))
}

fn alignment(metadata: &BTreeMap<String, Value>) -> Result<u64> {
    let alignment = match metadata.get(ALIGNMENT_KEY) {
        None => return Ok(ALIGNMENT),
        Some(Value::Array(array)) if array.dtype() == Dtype::Uint32 && array.ndim() == 0 => {
            u64::from(array.item::<u32>()?)
        }
        Some(_) => return Err(malformed(format!("{ALIGNMENT_KEY} is no uint32"))),
    };
    if alignment.is_power_of_two() {
        return Ok(alignment);
    }
    Err(malformed(format!(
        "{ALIGNMENT_KEY} is {alignment}, which is no power of two"
    )))
}

/// What the file says of a tensor.
struct Tensor {
    name: String,
    kind: Kind,
    shape: Vec<usize>,
    bytes: u64,
    /// Where it begins, from where the first one may.
    offset: u64,
}

fn descriptions<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for _ in 0..count {
        tensors.push(description(source)?);
    }
    Ok(tensors)
}

fn description<R: Read + Seek>(source: &mut Source<R>) -> Result<Tensor> {
    let name = text(source, "a name")?;
    let axes = number(source, "the number of axes")?;
    if axes > MOST_AXES {
        return Err(malformed(format!("{name:?} has {axes} axes")));
    }
    let mut shape = Vec::new();
    for _ in 0..axes {
        shape.push(as_size(u64::from_le_bytes(source.exact("a size")?))?);
    }
    // the format has the fastest axis first
    shape.reverse();
    let kind = number(source, "the type of a tensor")?;
    let kind = Kind::parse(kind).ok_or_else(|| Error::Dtype {
        op: OP,
        found: format!("{kind}, of the tensor {name:?},"),
    })?;
    let last = shape.last().copied().unwrap_or(1);
    if last % kind.elements != 0 {
        return Err(malformed(format!(
            "{name:?} has rows of {last} elements, and blocks of {} have {}",
            kind.name, kind.elements
        )));
    }
    let size = Shape::from(&shape[..]).checked(OP)?.size();
    Ok(Tensor {
        name,
        kind,
        shape,
        bytes: (size / kind.elements) as u64 * kind.bytes as u64,
        offset: u64::from_le_bytes(source.exact("an offset")?),
    })
}

/// That every tensor is in the file, and that they do not share so many of its bytes that a short
/// file asks for much memory.
fn check_sizes<R: Read + Seek>(source: &Source<R>, tensors: &[Tensor], start: u64) -> Result<()> {
    let available = source.length().saturating_sub(start);
    let mut total = 0u64;
    for tensor in tensors {
        let end = tensor.offset.checked_add(tensor.bytes);
        if end.is_none_or(|end| end > available) {
            return Err(malformed(format!(
                "{:?} of {} bytes at byte {} of {available}",
                tensor.name, tensor.bytes, tensor.offset
            )));
        }
        total = total.saturating_add(tensor.bytes);
    }
    if total > available {
        return Err(malformed(format!(
            "tensors of {total} bytes overlap in {available}"
        )));
    }
    Ok(())
}

impl Tensor {
    /// The arrays that stand for it, with their names.
    fn read<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        start: u64,
    ) -> Result<Vec<(String, Array)>> {
        if self.bytes > 0 {
            source.seek(start + self.offset)?;
        }
        let one = |array| Ok(vec![(self.name.clone(), array)]);
        match self.kind.content {
            Content::Plain(dtype) => one(source.array(ArrayType::new(&self.shape[..], dtype))?),
            Content::Blocks(numbers) => {
                let data = source.take(self.bytes, "blocks")?;
                one(blocks::dequantize(&self.kind, numbers, &self.shape, &data)?)
            }
            Content::Affine(affine) => {
                let data = source.take(self.bytes, "blocks")?;
                let [words, scales, biases] =
                    affine::unpack(&self.kind, affine, &self.shape, &data)?;
                let layer = self.name.strip_suffix(".weight").unwrap_or(&self.name);
                Ok(vec![
                    (self.name.clone(), words),
                    (format!("{layer}.scales"), scales),
                    (format!("{layer}.biases"), biases),
                ])
            }
        }
    }
}
