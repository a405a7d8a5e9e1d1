// A problem: what the person who builds can mend. Shown without a stack.

export class Problem extends Error {}
