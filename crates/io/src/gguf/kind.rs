//! The types of tensors and of metadata.

use super::affine::Affine;
use super::blocks::{codebook, lattice, legacy, small_float, super_block, ternary};
use mlx_oxide_core::Dtype;

/// What a block's bytes are.
#[derive(Clone, Copy)]
pub(super) enum Content {
    /// Elements of a dtype.
    Plain(Dtype),
    /// Groups of mode affine, in another order.
    Affine(Affine),
    /// Numbers that this function computes, block by block.
    Blocks(fn(&[u8], &mut [f32])),
}

/// A type of tensors.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    /// Its name in the format.
    pub(super) name: &'static str,
    /// Elements of a block.
    pub(super) elements: usize,
    /// Bytes of a block.
    pub(super) bytes: usize,
    /// What they are.
    pub(super) content: Content,
}

impl Kind {
    /// The type of a number.
    pub(super) fn parse(number: u32) -> Option<Kind> {
        use Content::{Affine as Groups, Blocks, Plain};
        let (name, elements, bytes, content) = match number {
            0 => ("F32", 1, 4, Plain(Dtype::Float32)),
            1 => ("F16", 1, 2, Plain(Dtype::Float16)),
            2 => ("Q4_0", 32, 18, Groups(Affine::Q4_0)),
            3 => ("Q4_1", 32, 20, Groups(Affine::Q4_1)),
            6 => ("Q5_0", 32, 22, Blocks(legacy::q5_0)),
            7 => ("Q5_1", 32, 24, Blocks(legacy::q5_1)),
            8 => ("Q8_0", 32, 34, Groups(Affine::Q8_0)),
            9 => ("Q8_1", 32, 36, Blocks(legacy::q8_1)),
            10 => ("Q2_K", 256, 84, Blocks(super_block::q2_k)),
            11 => ("Q3_K", 256, 110, Blocks(super_block::q3_k)),
            12 => ("Q4_K", 256, 144, Blocks(super_block::q4_k)),
            13 => ("Q5_K", 256, 176, Blocks(super_block::q5_k)),
            14 => ("Q6_K", 256, 210, Blocks(super_block::q6_k)),
            15 => ("Q8_K", 256, 292, Blocks(super_block::q8_k)),
            16 => ("IQ2_XXS", 256, 66, Blocks(lattice::iq2_xxs)),
            17 => ("IQ2_XS", 256, 74, Blocks(lattice::iq2_xs)),
            18 => ("IQ3_XXS", 256, 98, Blocks(lattice::iq3_xxs)),
            19 => ("IQ1_S", 256, 50, Blocks(lattice::iq1_s)),
            20 => ("IQ4_NL", 32, 18, Blocks(codebook::iq4_nl)),
            21 => ("IQ3_S", 256, 110, Blocks(lattice::iq3_s)),
            22 => ("IQ2_S", 256, 82, Blocks(lattice::iq2_s)),
            23 => ("IQ4_XS", 256, 136, Blocks(codebook::iq4_xs)),
            24 => ("I8", 1, 1, Plain(Dtype::Int8)),
            25 => ("I16", 1, 2, Plain(Dtype::Int16)),
            26 => ("I32", 1, 4, Plain(Dtype::Int32)),
            27 => ("I64", 1, 8, Plain(Dtype::Int64)),
            28 => ("F64", 1, 8, Plain(Dtype::Float64)),
            29 => ("IQ1_M", 256, 56, Blocks(lattice::iq1_m)),
            30 => ("BF16", 1, 2, Plain(Dtype::Bfloat16)),
            34 => ("TQ1_0", 256, 54, Blocks(ternary::tq1_0)),
            35 => ("TQ2_0", 256, 66, Blocks(ternary::tq2_0)),
            39 => ("MXFP4", 32, 17, Blocks(small_float::mxfp4)),
            40 => ("NVFP4", 64, 36, Blocks(small_float::nvfp4)),
            _ => return None,
        };
        Some(Kind {
            name,
            elements,
            bytes,
            content,
        })
    }

    /// The number of the type that has elements of a dtype.
    pub(super) fn number(dtype: Dtype) -> Option<u32> {
        Some(match dtype {
            Dtype::Float32 => 0,
            Dtype::Float16 => 1,
            Dtype::Int8 => 24,
            Dtype::Int16 => 25,
            Dtype::Int32 => 26,
            Dtype::Int64 => 27,
            Dtype::Float64 => 28,
            Dtype::Bfloat16 => 30,
            Dtype::Bool
            | Dtype::Uint8
            | Dtype::Uint16
            | Dtype::Uint32
            | Dtype::Uint64
            | Dtype::Complex64 => return None,
        })
    }
}

/// The number of texts among the types of metadata.
pub(super) const TEXT: u32 = 8;
/// The number of lists among the types of metadata.
pub(super) const LIST: u32 = 9;

/// The types of metadata that are numbers or truth values.
const METADATA: [(u32, Dtype); 11] = [
    (0, Dtype::Uint8),
    (1, Dtype::Int8),
    (2, Dtype::Uint16),
    (3, Dtype::Int16),
    (4, Dtype::Uint32),
    (5, Dtype::Int32),
    (6, Dtype::Float32),
    (7, Dtype::Bool),
    (10, Dtype::Uint64),
    (11, Dtype::Int64),
    (12, Dtype::Float64),
];

/// The dtype of metadata of a type.
pub(super) fn metadata_dtype(number: u32) -> Option<Dtype> {
    METADATA
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, dtype)| *dtype)
}

/// The type of metadata of a dtype.
pub(super) fn metadata_number(dtype: Dtype) -> Option<u32> {
    METADATA
        .iter()
        .find(|(_, known)| *known == dtype)
        .map(|(number, _)| *number)
}
