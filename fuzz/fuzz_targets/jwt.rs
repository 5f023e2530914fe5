#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    herald::api::fuzzing::access(text);
    herald::api::fuzzing::app_token(text);
});
