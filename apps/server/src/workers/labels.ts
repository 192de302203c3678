/** What a worker can do, or what a job asks of its worker. */
export type Labels = Readonly<Record<string, string>>;

/** Whether a worker with the labels `offered` may take a job that asks for `required`. */
export function satisfies(offered: Labels, required: Labels): boolean {
  return Object.entries(required).every(([name, value]) => Object.hasOwn(offered, name) && offered[name] === value);
}

/** `gpu=a100,os=linux`, in the order of the names, so that equal labels are one text; empty for none. */
export function labelsText(labels: Labels): string {
  return Object.keys(labels)
    .toSorted()
    .map((name) => `${name}=${labels[name]}`)
    .join(',');
}
