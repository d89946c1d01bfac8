/** Longest delay of a timer, in ms. With a longer one it fires immediately. */
export const MAX_TIMER: number = 2 ** 31 - 1
