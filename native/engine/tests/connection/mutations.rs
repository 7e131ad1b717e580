//! The properties over what was collected in `native/fuzz/corpus`, and over mutations of it: what a coverage-guided fuzzer
//! does for hours, for a moment in every test run.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use headgate_engine::random::Random;

use super::properties::PROPERTIES;

/// Mutations of each corpus; a hundred times as many with `HEADGATE_PROOF=1`.
const MUTATIONS: usize = 800;
/// Bytes of the largest input: what is longer only takes longer.
const MAX_BYTES: usize = 300;

/// What protocols, rules and expressions are made of.
const TOKENS: [&[u8]; 50] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"=",
    b"\"",
    b"\0",
    b"/",
    b"//",
    b"/../",
    b"/./",
    b"%2f",
    b"%2e%2e",
    b"%zz",
    b"?",
    b"#",
    b"*",
    b"http://a",
    b"0",
    b"-1",
    b"0x1",
    b"ffffffffffffffff",
    b"18446744073709551616",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HEAD ",
    b"chunked",
    b"close",
    b"Connection: ",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: a\r\n",
    b"0\r\n\r\n",
    b"PROXY TCP4 ",
    b"{host}",
    b"{path}",
    b"{{",
    b"(?",
    b")*",
    b"|",
    b"gzip",
    b";q=0.5",
    b"Vary: x\r\n",
    b"Content-Encoding: br\r\n",
    b"\xff",
];

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort(); // the same run on every machine
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// A number below `bound`, which is above 0.
fn below(random: &mut Random, bound: usize) -> usize {
    random.below(bound as u32) as usize
}

/// One of the inputs, changed in one to four places.
fn mutated(random: &mut Random, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = inputs[below(random, inputs.len())].clone();
    for _ in 0..=below(random, 4) {
        let at = below(random, bytes.len() + 1);
        let end = at + below(random, (bytes.len() - at).min(20) + 1);
        let inserted = match below(random, 6) {
            0 => TOKENS[below(random, TOKENS.len())].to_vec(),
            1 => vec![below(random, 256) as u8; end - at],
            2 => bytes[at..end].iter().map(|byte| byte ^ (1 << below(random, 8))).collect(),
            3 => bytes[at..end].repeat(2),
            4 => vec![],
            _ => {
                let other = &inputs[below(random, inputs.len())];
                other[below(random, other.len() + 1)..].to_vec()
            }
        };
        bytes.splice(at..end, inserted);
    }
    bytes.truncate(MAX_BYTES);
    bytes
}

/// Every property has its target for the coverage-guided fuzzer.
#[test]
fn every_property_is_fuzzed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    for (name, _) in PROPERTIES {
        let target = fs::read_to_string(folder.join(name).with_extension("rs")).unwrap();
        assert!(target.contains(&format!("\"{name}\"")), "{name}");
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), PROPERTIES.len());
}

/// Every input of every corpus, and mutations of them, keep the property of the corpus.
#[test]
fn properties_hold_for_the_corpora_and_around_them() {
    let proof = std::env::var("HEADGATE_PROOF").is_ok_and(|value| value == "1");
    let mutations = if proof { 100 * MUTATIONS } else { MUTATIONS };
    for (name, property) in PROPERTIES {
        let inputs = corpus(name);
        assert!(inputs.len() >= 10, "{name} has {} inputs", inputs.len());
        let mut random = Random::new(1);
        let mutants = (0..mutations).map(|_| mutated(&mut random, &inputs)).collect::<Vec<_>>();
        for bytes in inputs.iter().chain(&mutants) {
            if let Err(panic) = catch_unwind(|| property(bytes)) {
                eprintln!("{name} fails for b\"{}\"", bytes.escape_ascii());
                std::panic::resume_unwind(panic);
            }
        }
    }
}
