//! Contractions and compositions.

use crate::run::{array, close, counting, run, singles};
use mlx_oxide_ir::{Contract, Convolution, Dtype, Fast, Op};
use mlx_oxide_runtime::Operand;

fn convolution(stride: &[usize], low: &[isize], high: &[isize]) -> Convolution {
    Convolution {
        stride: stride.into(),
        padding_low: low.into(),
        padding_high: high.into(),
        kernel_dilation: stride.iter().map(|_| 1).collect(),
        input_dilation: stride.iter().map(|_| 1).collect(),
        groups: 1,
        flip: false,
    }
}

fn convolve(convolution: Convolution, inputs: &[Operand]) -> Vec<f64> {
    run(
        Op::Contract(Contract::Convolution(Box::new(convolution))),
        inputs,
    )
}

#[test]
fn strided_padded_and_input_dilated_convolution_agrees() {
    let mut parameters = convolution(&[2], &[1], &[2]);
    parameters.input_dilation[0] = 2;
    let inputs = [counting([1, 5, 2]), counting([2, 3, 2])];
    let expected = [3., 9., 13., 43., 23., 77., 33., 111., 43., 145.];
    close(&convolve(parameters.clone(), &inputs), &expected);
    parameters.flip = true; // the one tap that meets an element is the middle one
    close(&convolve(parameters, &inputs), &expected);
}

#[test]
fn negative_padding_crops_and_groups_do_not_mix() {
    let mut parameters = convolution(&[1], &[-1], &[2]);
    parameters.kernel_dilation[0] = 2;
    parameters.groups = 2;
    let inputs = [counting([1, 5, 2]), counting([4, 3, 1])];
    close(
        &convolve(parameters, &inputs),
        &[6., 30., 67., 97., 8., 44., 93., 135.],
    );
}

#[test]
fn flipped_planar_convolution_with_both_dilations_agrees() {
    let mut parameters = convolution(&[1, 2], &[1, 0], &[0, 1]);
    parameters.kernel_dilation = [1, 2].as_slice().into();
    parameters.input_dilation = [2, 1].as_slice().into();
    parameters.flip = true;
    let inputs = [counting([1, 3, 4, 2]), counting([2, 2, 2, 2])];
    let expected = [
        8., 88., 23., 95., 48., 128., 59., 131., 56., 392., 63., 263., 224., 560., 163., 363.,
        104., 696., 103., 431.,
    ];
    close(&convolve(parameters, &inputs), &expected);
}

#[test]
fn gathered_products_and_factors_agree() {
    let indices = |values: &[f64]| array(values, [3], Dtype::Uint32);
    let gathered = run(
        Op::Contract(Contract::GatherMatmul { sorted: false }),
        &[
            counting([2, 2, 2]),
            counting([2, 2, 2]),
            indices(&[0., 1., 1.]),
            indices(&[1., 0., 1.]),
        ],
    );
    close(
        &gathered,
        &[6., 7., 26., 31., 10., 19., 14., 27., 46., 55., 66., 79.],
    );
    let addmm = |alpha: f64, beta: f64, values: [f64; 3]| {
        let inputs = values.map(|value| singles(&[value], [1, 1]));
        run(
            Op::Contract(Contract::Addmm {
                alpha: alpha.into(),
                beta: beta.into(),
            }),
            &inputs,
        )
    };
    close(&addmm(0.0, 1.0, [1.0, 2.0, f64::NAN]), &[1.0]);
    close(&addmm(1.0, 0.0, [f64::NAN, 2.0, 3.0]), &[6.0]);
    close(&addmm(2.0, 0.5, [4.0, 2.0, 3.0]), &[14.0]);
}

fn rope(traditional: bool, x: Operand, offset: Operand, dims: usize, inverse: bool) -> Vec<f64> {
    let frequencies = match dims {
        6 => singles(&[1.0, 0.5, 0.25], [3]),
        _ => singles(&[1.0, 0.5], [2]),
    };
    let op = Fast::Rope {
        dims,
        traditional,
        scale: 0.5.into(),
        inverse,
    };
    run(Op::Fast(op), &[x, offset, frequencies])
}

#[test]
fn rope_agrees_in_both_layouts() {
    let offset = || array(&[3.0], [], Dtype::Int32);
    close(
        &rope(false, counting([1, 2, 8]), offset(), 6, false),
        &[
            -2.992_485,
            -1.994_866_3,
            0.029_652_476,
            0.212_211_6,
            3.608_394_1,
            5.385_082_7,
            6.0,
            7.0,
            -13.331_446,
            -5.234_931,
            2.543_293_5,
            2.696_764_5,
            14.056_866,
            16.202_827,
            14.0,
            15.0,
        ],
    );
    close(
        &rope(true, counting([1, 2, 8]), offset(), 6, false),
        &[
            -0.997_495,
            0.070_737_198,
            -0.581_538_7,
            3.558_343_9,
            1.890_667_7,
            6.117_628_1,
            6.0,
            7.0,
            -11.512_851,
            3.529_058,
            -3.853_158,
            14.358_034,
            4.298_458_6,
            17.161_68,
            14.0,
            15.0,
        ],
    );
}

#[test]
fn rope_takes_an_offset_per_batch_element_and_inverts() {
    let offsets = || array(&[3.0, 5.0], [2], Dtype::Int32);
    let rotated = rope(false, counting([2, 2, 4]), offsets(), 4, false);
    close(
        &rotated,
        &[
            -1.994_99,
            -1.313_227_5,
            0.141_474_4,
            2.876_705_2,
            -7.120_371_8,
            -3.188_785_6,
            1.140_308_6,
            7.989_470_5,
            -12.393_871,
            -7.600_930_2,
            -3.223_658,
            12.009_407,
            -13.855_59,
            -14.042_842,
            -12.166_454,
            14.028_493,
        ],
    );
    let back = rope(false, singles(&rotated, [2, 2, 4]), offsets(), 4, true);
    let original: Vec<f64> = (0..16).map(f64::from).collect();
    for (found, expected) in back.iter().zip(original) {
        assert!((found - expected).abs() < 1e-5);
    }
}

fn attention(
    causal: bool,
    mask: Option<Operand>,
    sinks: Option<Operand>,
    times: usize,
    keys: usize,
) -> Vec<f64> {
    // drawn from a normal distribution by NumPy's RandomState(0), (1) and (2)
    const QUERIES: [f64; 16] = [
        1.764052345967664,
        0.4001572083672233,
        0.9787379841057392,
        2.240893199201458,
        1.8675579901499675,
        -0.977277879876411,
        0.9500884175255894,
        -0.1513572082976979,
        -0.10321885179355784,
        0.41059850193837233,
        0.144043571160878,
        1.454273506962975,
        0.7610377251469934,
        0.12167501649282841,
        0.44386323274542566,
        0.33367432737426683,
    ];
    const KEYS: [f64; 12] = [
        1.6243453636632417,
        -0.6117564136500754,
        -0.5281717522634557,
        -1.0729686221561705,
        0.8654076293246785,
        -2.3015386968802827,
        1.74481176421648,
        -0.7612069008951028,
        0.31903909605709857,
        -0.2493703754774101,
        1.462107937044974,
        -2.060140709497654,
    ];
    const VALUES: [f64; 12] = [
        -0.4167578474054706,
        -0.056266827226329474,
        -2.136196095668454,
        1.6402708084049885,
        -1.7934355851948631,
        -0.8417473657362865,
        0.5028814171580747,
        -1.245288086594574,
        -1.0579522158736373,
        -0.9090076149268493,
        0.5514540445455082,
        2.2922080128149576,
    ];
    let heads = if times == 2 { 2 } else { 1 };
    let mut inputs = vec![
        singles(&QUERIES[..heads * times * 4], [1, heads, times, 4]),
        singles(&KEYS[..keys * 4], [1, 1, keys, 4]),
        singles(&VALUES[..keys * 4], [1, 1, keys, 4]),
    ];
    let op = Fast::Attention {
        scale: 0.5.into(),
        causal,
        masked: mask.is_some(),
        sinks: sinks.is_some(),
    };
    inputs.extend(mask);
    inputs.extend(sinks);
    run(Op::Fast(op), &inputs)
}

const VISIBLE_ROW: [f64; 4] = [-0.677_819_4, -0.403_459_2, -1.041_922_6, 1.905_706_2];
const VISIBLE_ROW_OF_SECOND_HEAD: [f64; 4] = [-0.705_776_7, -0.440_640_4, -0.924_736, 1.934_132_1];

#[test]
fn attention_weighs_all_keys_equally_where_a_bool_mask_shows_none() {
    let mask = array(&[0., 0., 0., 1., 0., 1.], [1, 1, 2, 3], Dtype::Bool);
    let mean = [-1.089_381_9, -0.602_340_58, -0.360_620_2, 0.895_730_26];
    let expected = [mean, VISIBLE_ROW, mean, VISIBLE_ROW_OF_SECOND_HEAD].concat();
    close(&attention(false, Some(mask), None, 2, 3), &expected);
}

#[test]
fn attention_is_nan_where_an_additive_mask_hides_all() {
    let inf = f64::INFINITY;
    let mask = singles(&[-inf, -inf, -inf, 0., -inf, 0.], [1, 1, 2, 3]);
    let nan = [f64::NAN; 4];
    let expected = [nan, VISIBLE_ROW, nan, VISIBLE_ROW_OF_SECOND_HEAD].concat();
    close(&attention(false, Some(mask), None, 2, 3), &expected);
}

#[test]
fn causal_attention_aligns_the_last_query_with_the_last_key() {
    let expected = [
        -1.258_768_2,
        -0.536_686_24,
        -0.522_070_5,
        -0.124_608_93,
        -1.410_885_2,
        -0.691_456_1,
        -0.026_839_495,
        -0.164_796_6,
        -1.133_527_9,
        -0.465_228_83,
        -0.762_155_1,
        0.137_898_8,
        -1.133_326_3,
        -0.598_312_14,
        -0.363_551_38,
        0.684_328_3,
    ];
    close(&attention(true, None, None, 2, 3), &expected);
    // more queries than keys: the first ones see nothing
    let expected = [
        -1.105_096_7,
        -0.449_007_1,
        -0.816_657_4,
        0.197_491_35,
        -0.416_757_85,
        -0.056_266_826,
        -2.136_196_1,
        1.640_270_8,
        -1.133_527_9,
        -0.465_228_83,
        -0.762_155_1,
        0.137_898_8,
    ];
    close(&attention(true, None, None, 3, 2), &expected);
}

#[test]
fn sinks_take_weight_without_a_value() {
    let sinks = || Some(singles(&[0.3, -1.0], [2]));
    let expected = [
        -0.800_675_75,
        -0.372_091_74,
        -0.265_656_5,
        0.081_516_77,
        -1.339_983_5,
        -0.656_708_2,
        -0.025_490_75,
        -0.156_514_97,
        -0.810_817_5,
        -0.414_637_56,
        -0.327_461_06,
        0.471_638_17,
        -1.037_604_8,
        -0.547_778_3,
        -0.332_845_63,
        0.626_529_46,
    ];
    close(&attention(false, None, sinks(), 2, 3), &expected);
    let mask = array(&[0., 0., 0., 1., 0., 1.], [1, 1, 2, 3], Dtype::Bool);
    let found = attention(false, Some(mask), sinks(), 2, 3);
    close(&found[..4], &[0.0; 4]);
    close(
        &found[4..8],
        &[-0.587_209_17, -0.349_525_2, -0.902_639_5, 1.650_953_5],
    );
}

#[test]
fn norms_and_softmax_agree() {
    let row = || singles(&[1., 2., 3., 4.], [1, 4]);
    let weight = || singles(&[1., 2., 1., 2.], [4]);
    close(
        &run(
            Op::Fast(Fast::RmsNorm { eps: 1e-5.into() }),
            &[row(), weight()],
        ),
        &[0.365_148_13, 1.460_592_5, 1.095_444_4, 2.921_185],
    );
    let bias = singles(&[0., 0., 1., 1.], [4]);
    close(
        &run(
            Op::Fast(Fast::LayerNorm { eps: 1e-5.into() }),
            &[row(), weight(), bias],
        ),
        &[-1.341_635_5, -0.894_423_6, 1.447_211_9, 3.683_270_9],
    );
    let inf = f64::INFINITY;
    let rows = singles(&[-inf, -inf, inf, 1., -inf, 3.], [3, 2]);
    let nan = f64::NAN;
    close(
        &run(Op::Fast(Fast::Softmax { precise: false }), &[rows]),
        &[nan, nan, nan, nan, 0., 1.],
    );
}
