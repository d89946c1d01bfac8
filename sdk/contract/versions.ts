/** Events of other versions: loaded with the first one. */
import { SpanwireError } from '../wire/errors.ts'
import { VERSION_HEADER } from '../wire/header-names.ts'
import type { ContractEvent } from './contract.ts'
import { validate } from './validate.ts'

const VERSION = new RegExp(`\\r\\n${VERSION_HEADER}: *([^\\r]*)\\r`)

/** Returns the version in a header block, as text. 1 without one. */
export function sentVersion(block = ''): string {
  return VERSION.exec(block)?.[1] ?? '1'
}

/**
 * Converts data to the version of the contract, and validates it.
 * @param block header block of the message
 * @throws SpanwireError `newer-version`, `invalid-data`, as {@link validate}
 */
export function validateVersion(
  event: Pick<ContractEvent, 'schema' | 'version' | 'upgrade'>,
  data: unknown,
  block: string | undefined,
  subject: string,
): unknown {
  return validate(event.schema, upgradeData(event, data, block, subject), subject)
}

/**
 * Converts data of an older version to the version of the contract, step by step.
 * @throws SpanwireError `newer-version`, `invalid-data`
 */
function upgradeData(
  { version = 1, upgrade }: Pick<ContractEvent, 'version' | 'upgrade'>,
  data: unknown,
  block: string | undefined,
  subject: string,
): unknown {
  const text = sentVersion(block)
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new SpanwireError(
      'invalid-data',
      `The version of ${subject} is ${JSON.stringify(text)}: it must be a number.`,
    )
  const sent = Number(text)
  if (sent > version)
    throw new SpanwireError(
      'newer-version',
      `${subject} has version ${sent}, and this contract has version ${version}: deploy the new contract.`,
    )
  let upgraded = data
  for (let from = sent; from < version; from++)
    try {
      upgraded = upgrade?.[from]?.(upgraded)
    } catch (cause) {
      throw new SpanwireError(
        'invalid-data',
        `The data of ${subject} can't be upgraded from version ${from} to ${from + 1}.`,
        { cause },
      )
    }
  return upgraded
}
