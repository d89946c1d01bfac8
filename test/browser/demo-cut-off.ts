import type { Page } from 'playwright-core'

/** Returns the texts that an ancestor cuts off at an edge. Boxes that scroll, and texts for screen readers, are left out. */
export function cutOffTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const cutOff: string[] = []
    for (const element of document.querySelectorAll('body *')) {
      const text = element.children.length === 0 ? element.textContent.trim() : ''
      if (text === '' || !element.checkVisibility()) continue
      if (element.closest('script, select, .visually-hidden, .skip, .source, .tail, .blank')) continue
      const range = document.createRange()
      range.selectNodeContents(element)
      const { top, right, bottom, left } = range.getBoundingClientRect()
      for (let box: Element | null = element; box; box = box.parentElement) {
        if (getComputedStyle(box).overflow === 'visible') continue
        const edge = box.getBoundingClientRect()
        // A text wholly below the edge is a row that is not shown.
        const isCutBelow = bottom > edge.bottom + 1 && top < edge.bottom - 1
        if (right > edge.right + 1 || left < edge.left - 1 || isCutBelow) cutOff.push(text)
        break
      }
    }
    return cutOff
  })
}
