import type { Prose } from './prose.ts'

/**
 * Constructions that the documentation of our field does not use, and replacements.
 * CONTRIBUTING.md has the rules. The list was calibrated with the sources of jose, graphql-ws and hono, which together
 * have 0.7 of these constructions per 1,000 words. This repository had 48 before it was rewritten.
 */

/** A construction to avoid. */
interface Construction {
  /** Number of the rule. */
  readonly rule: number
  /** Regular expression, case-insensitive and bounded by words. A blank matches any white space. */
  readonly pattern: string
  readonly instead: string
}

interface Expression {
  readonly rule: number
  readonly expression: RegExp
  readonly instead: string
  /** Default: all kinds. */
  readonly kinds?: readonly Prose['kind'][]
}

const CONSTRUCTIONS: readonly Construction[] = [
  // 1. Name the thing: a noun, not a relative clause.
  { rule: 1, pattern: 'who(ever|m|mever)?', instead: 'name the role: client, subscriber, publisher, caller' },
  { rule: 1, pattern: 'those (who|that|which|of|in|with)', instead: 'repeat the noun' },
  { rule: 1, pattern: "what(ever)? (is|are|was|were|has|had|can|may|must|should|will|would)(n't)?", instead: 'a noun' },
  { rule: 1, pattern: "what(ever)? (can't|doesn't|didn't|don't|won't)", instead: 'a noun' },
  {
    rule: 1,
    pattern: 'what(ever)? (it|its|he|she|they|their|one|others?|a|an|the|each|every|all|any|no)',
    instead: 'a noun',
  },
  { rule: 1, pattern: '(?<!is )what(ever)? (?!happens)[a-z]+(s|ed)', instead: 'a noun' },
  { rule: 1, pattern: '(all|everything|something|anything) (what|that is|that was|it has)', instead: 'a noun' },
  { rule: 1, pattern: 'nothing (of|is|was|gets|needs|may|can|must)', instead: 'a positive sentence, with its subject' },
  // 2. Functions are called, values are returned, errors are thrown.
  { rule: 2, pattern: 'hear(s|d|ing)?( of)?', instead: 'is called with, receives, observes' },
  { rule: 2, pattern: 'tells?|telling|told', instead: 'reports, notifies, sends' },
  { rule: 2, pattern: 'says?|said|saying', instead: 'states, reports, returns, names' },
  { rule: 2, pattern: 'wants|wanted', instead: 'requires, requests' },
  { rule: 2, pattern: 'ask(s|ed|ing)?( for)?', instead: 'requests, queries' },
  { rule: 2, pattern: '(speaks?|spoken|talks?) (of|about|to)', instead: 'describes, connects to' },
  { rule: 2, pattern: 'knows? (of|nothing|nobody|what)', instead: 'has, stores, holds' },
  // 3. Say who does what.
  { rule: 3, pattern: "(no|some|any|every)body('s| else's| else)?", instead: 'name the role' },
  // 4. Full sentences.
  { rule: 4, pattern: 'as of', instead: 'since, options of' },
  // 5. Numbers with units.
  { rule: 5, pattern: 'so (many|much|few|little)', instead: 'a number with its unit' },
  { rule: 5, pattern: 'as (many|much)(?! (\\w+ )?as)', instead: 'a number with its unit' },
  { rule: 5, pattern: 'a while|now and then|every so often|a good (deal|part)', instead: 'a duration' },
  // 6. Short, in order.
  { rule: 6, pattern: '[a-z]+,? too(?=[.;:,)]|$)', instead: 'also, before the verb' },
  { rule: 6, pattern: ', (neither|either)(?=[.;:])', instead: 'not … or …' },
  // 7. The usual word.
  { rule: 7, pattern: '(is|are|was|were|be) no(?! longer)', instead: 'is not a valid, has no, does not exist' },
  { rule: 7, pattern: '(be|is|are|was|were|been) had', instead: 'is unavailable' },
  {
    rule: 7,
    pattern: "(is|are|was|were|be|been)(n't| not)? there(?=[.,;:)]|$| (already|yet|again|when|only))",
    instead: 'exists, is available, is connected',
  },
  { rule: 7, pattern: 'anew|once more|over and over', instead: 'again' },
  { rule: 7, pattern: 'beside', instead: 'next to, in addition to' },
  { rule: 7, pattern: 'stands? (for|in|at|once|there|here|alone)', instead: 'means, is' },
  { rule: 7, pattern: 'parted (by|from)', instead: 'separated by' },
  { rule: 7, pattern: 'g[ai]ven? up(?! after)', instead: 'dropped, abandoned, closed' },
  { rule: 7, pattern: 'at all', instead: 'leave it out' },
  { rule: 7, pattern: 'in vain|for good|and the like', instead: 'permanently, without effect' },
  { rule: 7, pattern: '(go|goes|went|gone|going) on', instead: 'continues' },
  {
    rule: 7,
    pattern: '(come|comes|came|go|goes|went|is|are|was) (by|of) (itself|themselves)',
    instead: 'automatically',
  },
  { rule: 7, pattern: '(let|lets|letting) (in|go|through)', instead: 'admits, releases' },
  {
    rule: 7,
    pattern: '(take|takes|took|taken|bring|brings|brought) (along|with it|with them)',
    instead: 'carries, includes',
  },
  { rule: 7, pattern: '(be|is|are|was|were) (gone|done with)', instead: 'has ended, was removed' },
]

/** Constructions with an expression of their own. */
const SPECIAL: readonly Expression[] = [
  {
    rule: 1,
    kinds: ['comment'],
    expression:
      /^\s*(what|who|whom|whose|whatever|whoever|whichever|those|that which|of|as (of|it|they|in|for)|for whom|by whom|where(?! to)|whence|nothing|nobody|somebody)\b/gi,
    instead: 'begin the comment with a noun or a verb',
  },
  {
    rule: 6,
    kinds: ['comment', 'document'],
    expression: /;(?:(?!\n\s*\n)[^.!?;])*;/g,
    instead: 'one fact per sentence',
  },
]

/** A place where prose breaks a rule. */
export interface Finding {
  readonly line: number
  readonly rule: number
  /** The construction as it is written. */
  readonly found: string
  readonly instead: string
}

const compiled: readonly Expression[] = [
  ...CONSTRUCTIONS.map(({ pattern, ...rest }) => ({
    ...rest,
    expression: new RegExp(`(?<![\\w'-])(?:${pattern.replaceAll(' ', '\\s+')})(?![\\w'-])`, 'gi'),
  })),
  ...SPECIAL,
]

/** Returns every construction of the list in this text. */
export function findConstructions({ kind, line, text }: Prose): Finding[] {
  return compiled
    .filter(({ kinds }) => !kinds || kinds.includes(kind))
    .flatMap(({ expression, rule, instead }) =>
      [...text.matchAll(expression)].map(({ 0: found, index }) => ({ index, found: found.trim(), rule, instead })),
    )
    .sort((a, b) => a.index - b.index)
    .filter(({ index }, at, all) => all[at - 1]?.index !== index)
    .map(({ index, ...finding }) => ({ ...finding, line: line + text.slice(0, index).split('\n').length - 1 }))
}

/** Words of a text: letters, apostrophes and hyphens. */
export function countWords({ text }: Prose): number {
  return text.match(/[A-Za-z]+(?:['’-][A-Za-z]+)*/g)?.length ?? 0
}
