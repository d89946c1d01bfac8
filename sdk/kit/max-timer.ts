/** The longest that a timer can wait, in ms: beyond it, it fires at once. */
export const MAX_TIMER: number = 2 ** 31 - 1
