import type { AddCommand } from './command.ts'
import { addLetters } from './letters.ts'

/** `spanwire quarantine list|redrive`: events that `consume` has put aside because they are not valid. */
export const addQuarantine: AddCommand = (program, context) =>
  addLetters(program, context, {
    command: 'quarantine',
    noun: 'quarantined events',
    option: 'onInvalid.to',
    column: ['CODE', ({ code = '' }) => code],
  })
