/** A model file or an optional package is the reason why something can not be embedded. */
export class UnusableModel extends Error {}
