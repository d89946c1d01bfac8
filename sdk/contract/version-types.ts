/** A list with `Length` members. */
type ListOf<Length extends number, List extends readonly unknown[] = []> = List['length'] extends Length
  ? List
  : ListOf<Length, readonly [...List, unknown]>

/** The version before `Version`. */
type Previous<Version extends number> =
  ListOf<Version> extends readonly [unknown, ...infer Rest] ? Rest['length'] & number : never

/** All versions before `Version`. */
type Older<Version extends number> = Previous<Version> extends 0 ? never : Previous<Version> | Older<Previous<Version>>

/**
 * Data of an older version has the type that the step's parameter declares: the schema of that version does not exist any
 * more. A member of an object may have a narrower parameter than `unknown`, unlike a function.
 */
type Step<Result> = { step(old: unknown): Result }['step']

/**
 * Functions that convert the data of an older version to the next version, by the older version. The last one returns the
 * input of the schema.
 */
export type UpgradeSteps<Input = unknown, Version extends number = number> = number extends Version
  ? { readonly [From in number]?: Step<unknown> }
  : { readonly [From in Older<Version>]: Step<From extends Previous<Version> ? Input : unknown> }
