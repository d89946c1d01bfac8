/** Subject templates as the compiler sees them; template.ts is the same at run time. */

type Forbidden = '{' | '}' | '*' | '>' | ' '
type IsWord<Text extends string> = Text extends '' | `${string}${Forbidden}${string}` ? false : true

/** A string type that no string has; its text is what the compiler shows. */
type Bad<Template extends string> = `Not a subject template: ${Template}`

/** `Template` itself if it is one, else a type that nothing matches. */
export type CheckedTemplate<Template extends string, Rest extends string = Template, Seen = never> = Rest extends ''
  ? Bad<Template>
  : Rest extends `${infer Token}.${infer Tail}`
    ? Token extends `{${infer Open}`
      ? Open extends `${infer Name}}`
        ? IsWord<Name> extends true
          ? Name extends Seen
            ? Bad<Template>
            : CheckedTemplate<Template, Tail, Seen | Name>
          : Bad<Template>
        : // `{rest...}` holds dots itself: what is left of it is `{rest` and `..}`.
          Tail extends '..}'
          ? IsWord<Open> extends true
            ? Open extends Seen
              ? Bad<Template>
              : Template
            : Bad<Template>
          : Bad<Template>
      : IsWord<Token> extends true
        ? CheckedTemplate<Template, Tail, Seen>
        : Bad<Template>
    : Rest extends `{${infer Name}}`
      ? IsWord<Name> extends true
        ? Name extends Seen
          ? Bad<Template>
          : Template
        : Bad<Template>
      : IsWord<Rest> extends true
        ? Template
        : Bad<Template>

/** The names of a template's parameters. */
export type ParamName<Template extends string> = Template extends `${string}{${infer Name}}${infer Tail}`
  ? (Name extends `${infer Rest}...` ? Rest : Name) | ParamName<Tail>
  : never

/** A value for each parameter: `{ orderId: string }` of `orders.{orderId}.created`. */
export type Params<Template extends string> = { readonly [Name in ParamName<Template>]: string }

/** What a subscriber asks for: a value or `'*'` for each parameter; what is left out is `'*'`. */
export type ParamsFilter<Template extends string> = [ParamName<Template>] extends [never]
  ? Readonly<Record<string, never>>
  : { readonly [Name in ParamName<Template>]?: string | undefined }
