//! Taking granted secret values out of what leaves: logs, errors, outputs, answers.
